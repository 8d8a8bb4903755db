"""The trials of a search, read back from metrics/, and which hyperparameters decided between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from pipeline.files.artefacts import read_csv
from pipeline.files.errors import UserError
from pipeline.files.runs import Run, trials_in_git
from pipeline.reporting.results import RunResult

_KINDS = ("layers", "learning_rate", "units", "dropout", "l2")
# An axis with more values is divided into as many parts, each with as many trials.
_PARTS = 3


@dataclass(frozen=True)
class Trial:
    """A row of trials.csv: ``max_epoch`` is where its rung ends, ``promoted`` whether it continued an earlier one."""

    name: str
    max_epoch: int
    promoted: bool
    val_accuracy: float
    hyperparameters: Mapping[str, float]


@dataclass(frozen=True)
class Search:
    """All trials of a search, and which one won."""

    trials: Sequence[Trial]
    winner: Trial

    @property
    def axes(self) -> list[str]:
        """The hyperparameters of which there are two values or more, those that decided most first."""
        values: dict[str, set[float]] = {}
        for trial in self.trials:
            for name, value in trial.hyperparameters.items():
                values.setdefault(name, set()).add(value)
        weights = {name: weight(self.trials, name) for name, found in values.items() if len(found) > 1}
        return sorted(weights, key=lambda name: (-(weights[name] or 0), _order(name)))


def read_all(runs: Mapping[Run, RunResult]) -> dict[Run, Search]:
    """The search of each of ``runs`` that one found. Raises :class:`UserError` where a table is damaged."""
    found = {}
    for run, result in runs.items():
        if result.search is not None:
            table, name = trials_in_git(run.name), result.search.winner.get("trial")
            trials = read(table)
            winner = next((trial for trial in trials if trial.name == name), None)
            if winner is None:
                raise UserError(f"{table} has no trial {name}, the winner of {run.name}; {_again(table)}")
            found[run] = Search(trials, winner)
    return found


def read(table: Path) -> list[Trial]:
    """The trials of ``table``, a trials.csv. Raises :class:`UserError` where it has none, or no number for a number."""
    try:
        trials = [
            Trial(
                name=row["trial"],
                max_epoch=int(row["max_epoch"]),
                promoted=row["parent"] != "",
                val_accuracy=_finite(row["val_accuracy"]),
                hyperparameters={k: _finite(value) for k, value in row.items() if k.startswith(_KINDS) and value},
            )
            for row in read_csv(table)
        ]
        if not trials or not any(trial.hyperparameters for trial in trials):
            raise ValueError("it has no trial with hyperparameters")
    except ValueError as error:
        raise UserError(f"{table} is damaged ({error}); {_again(table)}") from None
    return trials


def weight(trials: Iterable[Trial], name: str) -> float | None:
    """The share, from 0 to 1, of the variance of ranks within rungs that the hyperparameter ``name`` explains.

    The trials that began anew are ranked within their rung by val_accuracy, and grouped by the values of ``name``, or
    by thirds of them where there are more than three. It is epsilon squared (Kelley, 1935): the share of the ranks'
    variance that lies between the groups (eta squared), less what groups of the same sizes would have by chance; 0
    where that is negative. None where there are too few trials to say.
    """
    fresh = [trial for trial in trials if not trial.promoted and name in trial.hyperparameters]
    rungs = np.array([trial.max_epoch for trial in fresh])
    accuracies = np.array([trial.val_accuracy for trial in fresh])
    groups = _groups(np.array([trial.hyperparameters[name] for trial in fresh]))
    ranks = np.zeros(len(fresh))
    for rung in set(rungs):
        # From -1/2 to 1/2, so that a rung with more trials has no more to say than another.
        here = rungs == rung
        ranks[here] = (rankdata(accuracies[here]) - 0.5) / here.sum() - 0.5
    labels, counts = np.unique(groups, return_counts=True)
    total = float(((ranks - ranks.mean()) ** 2).sum()) if fresh else 0.0
    if total == 0 or len(labels) < 2 or len(fresh) <= len(labels):
        return None
    means = np.array([ranks[groups == label].mean() for label in labels])
    between = float((counts * (means - ranks.mean()) ** 2).sum())
    by_chance = (total - between) / (len(fresh) - len(labels)) * (len(labels) - 1)
    return max(0.0, (between - by_chance) / total)


def _groups(values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The number of each value's group."""
    known = np.unique(values)
    if len(known) <= _PARTS:
        return np.searchsorted(known, values)
    # Equal values stay together.
    return np.searchsorted(np.quantile(values, [part / _PARTS for part in range(1, _PARTS)]), values)


def _finite(text: str) -> float:
    if not np.isfinite(float(text)):
        raise ValueError(f"{text} is no finite number")
    return float(text)


def _again(table: Path) -> str:
    search = table.name.removesuffix("-trials.csv")
    return f"'git checkout {table}' brings it back, 'dvc repro -f -s tune@{search}' makes it anew"


def _order(name: str) -> tuple[int, str]:
    return next(index for index, kind in enumerate(_KINDS) if name.startswith(kind)), name
