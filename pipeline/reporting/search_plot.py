"""The plot of a search: what each trial reached, by rung, and which hyperparameters the good ones had."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from pipeline.files.artefacts import read_csv
from pipeline.files.errors import UserError
from pipeline.files.runs import Run, trials_in_git
from pipeline.reporting.plots import save

# What every trial has comes first: after a gap a line would be a point.
_KINDS = ("layers", "learning_rate", "units", "dropout", "l2")

# Axes whose values lie orders of magnitude apart.
_LOGARITHMIC = ("l2", "learning_rate")


@dataclass(frozen=True)
class PlottedTrial:
    """A row of trials.csv; ``max_epoch`` is the epoch at which its rung ends."""

    number: int
    max_epoch: int
    val_accuracy: float
    hyperparameters: Mapping[str, float]


def read_all(runs: Iterable[Run]) -> dict[Run, list[PlottedTrial]]:
    """The trials of those of ``runs`` that a search found. Raises :class:`UserError` where a table is damaged."""
    return {run: read(trials_in_git(run.name)) for run in runs if run.group == "tune"}


def read(table: Path) -> list[PlottedTrial]:
    """The trials of ``table``, a trials.csv. Raises :class:`UserError` where it has none, or no number for a number."""
    try:
        trials = [
            PlottedTrial(
                number=int(row["trial"]) + 1,
                max_epoch=int(row["max_epoch"]),
                val_accuracy=_finite(row["val_accuracy"]),
                hyperparameters={k: _finite(value) for k, value in row.items() if k.startswith(_KINDS) and value},
            )
            for row in read_csv(table)
        ]
        if not trials or not any(trial.hyperparameters for trial in trials):
            raise ValueError("it has no trial with hyperparameters")
    except ValueError as error:
        search = table.name.removesuffix("-trials.csv")
        again = f"'git checkout {table}' brings it back, 'dvc repro -f -s tune@{search}' makes it anew"
        raise UserError(f"{table} is damaged ({error}); {again}") from None
    return trials


def _finite(text: str) -> float:
    if not np.isfinite(float(text)):
        raise ValueError(f"{text} is no finite number")
    return float(text)


def write(path: Path, trials: Sequence[PlottedTrial], title: str) -> None:
    """Draw the best val_accuracy of every trial in their order, and each trial as a line across its hyperparameters."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1)
    for max_epoch in sorted({trial.max_epoch for trial in trials}):
        rung = [trial for trial in trials if trial.max_epoch == max_epoch]
        above.plot([t.number for t in rung], [t.val_accuracy for t in rung], "o", label=f"{max_epoch} epochs")
    above.set(xlabel="trial", ylabel="best val_accuracy")
    above.grid(alpha=0.3)
    above.legend(title="rung ends at", fontsize=8)
    _parallel(below, trials)
    save(figure, path)


def _parallel(axes: Any, trials: Sequence[PlottedTrial]) -> None:
    """Parallel coordinates: the darker a line, the better its trial; gaps where a trial has no such layer.

    Trials are ranked within their rung: across rungs the epochs would count more than the hyperparameters.
    """
    names = sorted({name for trial in trials for name in trial.hyperparameters}, key=_order)
    columns = []
    for name in names:
        column = np.array([trial.hyperparameters.get(name, np.nan) for trial in trials], float)
        column = np.log10(np.maximum(column, 1e-12)) if name.startswith(_LOGARITHMIC) else column
        least, greatest = np.nanmin(column), np.nanmax(column)
        columns.append(
            (column - least) / (greatest - least) if greatest > least else np.where(np.isnan(column), column, 0.5)
        )
    scores = np.array([trial.val_accuracy for trial in trials])
    max_epochs = np.array([trial.max_epoch for trial in trials])
    ranks = np.ones(len(trials))
    for max_epoch in set(max_epochs):
        rung = max_epochs == max_epoch
        ranks[rung] = scores[rung].argsort().argsort() / max(1, rung.sum() - 1)
    for row in ranks.argsort(kind="stable"):
        colour = colormaps["viridis_r"](ranks[row])
        axes.plot(range(len(names)), [column[row] for column in columns], ".-", color=colour, alpha=0.6)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks([0, 1], ["least", "greatest"])
    axes.set_title(
        "hyperparameters: the darker, the better val_accuracy among the trials of the same rung", fontsize=10
    )


def _order(name: str) -> tuple[int, str]:
    return next(index for index, kind in enumerate(_KINDS) if name.startswith(kind)), name
