"""Learning curves: every seed, and over them mean and band; beside one another where there are too many runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline.reporting.drawing import BLACK, BLUE, SERIES, VERMILION, WIDTH

# More runs than this lie beside one another.
TOGETHER = 4
_COLUMNS = 3
_MEASURES = ("loss", "accuracy")
_STYLES: Mapping[str, Literal["--", "-"]] = {"train": "--", "val": "-"}
_NAMES = {"train": "training images", "val": "validation images"}

# The columns "train_loss", "val_loss", "train_accuracy" and "val_accuracy" of each seed, one value per epoch.
Curves = Mapping[int, Mapping[str, Sequence[float]]]


def figure(runs: Mapping[str, Curves], title: str) -> Figure:
    """Draw loss and accuracy by epoch of ``runs``, the curves of each by its name."""
    return _together(runs, title) if len(runs) <= TOGETHER else _apart(runs, title)


def mean_and_spread(seeds: Sequence[Sequence[float]]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation (ddof 1; 0 of one seed) of each epoch that all ``seeds`` have."""
    values = np.array([seed[: min(map(len, seeds))] for seed in seeds], dtype=np.float64)
    spread = values.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(values.shape[1])
    return values.mean(axis=0), spread


def _together(runs: Mapping[str, Curves], title: str) -> Figure:
    drawn = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    drawn.suptitle(title)
    for axes, measure in zip(drawn.subplots(1, 2), _MEASURES, strict=True):
        for (colour, marker), curves in zip(SERIES, runs.values(), strict=False):
            for split in _STYLES:
                _draw(axes, curves, split, measure, colour, marker)
        axes.set(xlabel="epoch", ylabel=measure)
        axes.grid()
    names = [Line2D([], [], color=c, marker=m, label=run) for (c, m), run in zip(SERIES, runs, strict=False)]
    splits = [Line2D([], [], color=BLACK, linestyle=style, label=_NAMES[split]) for split, style in _STYLES.items()]
    _explain(drawn, runs, [*names, *splits])
    return drawn


def _apart(runs: Mapping[str, Curves], title: str) -> Figure:
    """A panel a run, first all of one measure and then all of the other, on the same axes."""
    high = -(-len(runs) // _COLUMNS)
    drawn = Figure(figsize=(WIDTH, 0.9 + 2 * (0.3 + 1.35 * high)), layout="constrained")
    drawn.suptitle(title)
    parts: Any = drawn.subfigures(2, 1)
    looks = {"train": (VERMILION, "s"), "val": (BLUE, "o")}
    for part, measure in zip(parts, _MEASURES, strict=True):
        panels = list(part.subplots(high, _COLUMNS, sharex=True, sharey=True, squeeze=False).flat)
        for number, (axes, (run, curves)) in enumerate(zip(panels, runs.items(), strict=False)):
            for split, (colour, marker) in looks.items():
                _draw(axes, curves, split, measure, colour, marker)
            axes.set_title(run)
            axes.grid()
            # Matplotlib leaves them out where another panel has room below.
            axes.tick_params(labelbottom=number + _COLUMNS >= len(runs))
        for axes in panels[len(runs) :]:
            axes.axis("off")
        part.supylabel(measure, fontsize=9)
        part.supxlabel("epoch", fontsize=9)
    splits = [
        Line2D([], [], color=colour, marker=marker, linestyle=_STYLES[split], label=_NAMES[split])
        for split, (colour, marker) in looks.items()
    ]
    _explain(drawn, runs, splits)
    return drawn


def _draw(axes: Any, curves: Curves, split: str, measure: str, colour: str, marker: str) -> None:
    """One split of one run: a thin line a seed, and over the epochs that all seeds have mean and band."""
    seeds = [columns[f"{split}_{measure}"] for columns in curves.values()]
    mean, spread = mean_and_spread(seeds)
    epochs = np.arange(1, len(mean) + 1)
    if len(seeds) > 1:
        for seed in seeds:
            axes.plot(range(1, len(seed) + 1), seed, _STYLES[split], color=colour, linewidth=0.6, alpha=0.6, gid="seed")
        axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0, gid="band")
    every = max(1, len(mean) // 6)
    style = {"color": colour, "linewidth": 1.6, "marker": marker, "markevery": every, "markersize": 3.5}
    axes.plot(epochs, mean, _STYLES[split], gid="mean", **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _explain(figure: Any, runs: Mapping[str, Curves], handles: Sequence[Line2D]) -> None:
    seed = Line2D([], [], color=BLACK, linewidth=0.6, label="a seed (band: mean ± standard deviation)")
    figure.legend(
        handles=[*handles, *([seed] if any(len(curves) > 1 for curves in runs.values()) else [])],
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
