"""The figure of a search: what each trial reached, by rung, and which hyperparameters the good ones had."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.common.artefacts import replacing
from pipeline.common.trials import Trial

# Axes whose values lie orders of magnitude apart.
_LOGARITHMIC = ("l2", "learning_rate")


def write(path: Path, trials: Sequence[Trial], title: str) -> None:
    """Draw the best val_accuracy of every trial in their order, and each trial as a line across its hyperparameters."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1)
    for budget in sorted({trial.budget for trial in trials}):
        rung = [trial for trial in trials if trial.budget == budget]
        above.plot([int(t.name) + 1 for t in rung], [t.val_accuracy for t in rung], "o", label=f"{budget} epochs")
    above.set(xlabel="trial", ylabel="best val_accuracy")
    above.grid(alpha=0.3)
    above.legend(title="rung ends at", fontsize=8)
    _parallel(below, trials)
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def _parallel(axes: Any, trials: Sequence[Trial]) -> None:
    """Parallel coordinates: the darker a line, the better its trial; gaps where a trial has no such layer.

    Trials are ranked within their rung: across rungs the epochs would count more than the hyperparameters.
    """
    names = sorted({name for trial in trials for name in trial.values}, key=_order)
    columns = []
    for name in names:
        column = np.array([trial.values.get(name, np.nan) for trial in trials], float)
        column = np.log10(np.maximum(column, 1e-12)) if name.startswith(_LOGARITHMIC) else column
        least, greatest = np.nanmin(column), np.nanmax(column)
        columns.append(
            (column - least) / (greatest - least) if greatest > least else np.where(np.isnan(column), column, 0.5)
        )
    scores = np.array([trial.val_accuracy for trial in trials])
    budgets = np.array([trial.budget for trial in trials])
    ranks = np.ones(len(trials))
    for budget in set(budgets):
        rung = budgets == budget
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
    # What every trial has comes first: after a gap a line would be a point.
    kinds = ("layers", "learning_rate", "units", "dropout", "l2")
    return next(index for index, kind in enumerate(kinds) if name.startswith(kind)), name
