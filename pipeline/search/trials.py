"""The trials of a search: what each trained, what it gave, and which of them won."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.files.artefacts import write_csv, write_text
from pipeline.files.errors import UserError
from pipeline.training.trainer import History

# In a search's folder: trials that were trained before its oracle had to begin again.
_ASIDE = "before"


@dataclass(frozen=True)
class Trial:
    """One trial as it ended.

    ``max_epoch`` is the epoch at which its rung ends; ``epochs`` how many it and its parents trained in all, of which
    ``epochs_trained`` are its own. ``val_accuracy`` is the highest and ``val_loss`` the lowest of all these epochs. A
    trial that could not be trained has a val_accuracy of 0, no val_loss, and says why in ``failure``.
    """

    name: str
    parent: str | None
    round: int
    max_epoch: int
    epochs: int
    epochs_trained: int
    val_accuracy: float
    val_loss: float | None
    hyperparameters: Mapping[str, float]
    failure: str | None = None


def ended(
    name: str,
    values: Mapping[str, Any],
    history: History | None,
    trained: int,
    max_epoch: int,
    failure: str | None = None,
) -> Trial:
    """The trial ``name`` with Keras Tuner's ``values``, its hyperparameters, after ``trained`` epochs of its own.

    ``history`` None: see ``failure``.
    """
    epochs = history.epochs if history is not None else []
    return Trial(
        name=name,
        parent=values.get("tuner/trial_id"),
        round=int(values.get("tuner/round", 0)),
        max_epoch=max_epoch,
        epochs=len(epochs) if history is not None else int(values.get("tuner/initial_epoch", 0)) + trained,
        epochs_trained=trained,
        val_accuracy=max((epoch.val.accuracy for epoch in epochs), default=0.0),
        val_loss=min((epoch.val.loss for epoch in epochs), default=None),
        hyperparameters={key: value for key, value in values.items() if not key.startswith("tuner/")},
        failure=failure,
    )


def record(folder: Path, trial: Trial) -> None:
    """Keep ``trial`` in ``folder``."""
    write_text(folder / f"trial-{trial.name}.json", json.dumps(asdict(trial)))


def recorded(folder: Path) -> list[Trial]:
    """All trials kept in ``folder``, in the order of their names."""
    return [Trial(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("trial-*.json"))]


def confirmed(folder: Path, scores: Mapping[str, float]) -> list[Trial]:
    """The trials kept in ``folder``, in the order of their names; ``scores``: the val_accuracy of all that have ended.

    Raises :class:`UserError` that names the first trial of which record and score do not agree.
    """
    found = {trial.name: trial for trial in recorded(folder)}
    for name in sorted(found.keys() | scores.keys()):
        if name not in found:
            wrong = "is missing, but the trial has ended"
        elif name not in scores:
            wrong = "is of a trial that has not ended in this search"
        # A score travels from a worker to its chief in single precision.
        elif not math.isclose(found[name].val_accuracy, scores[name], abs_tol=1e-6):
            wrong = f"has a val_accuracy of {found[name].val_accuracy:.6f}, but the trial ended with {scores[name]:.6f}"
        else:
            continue
        raise UserError(f"{folder / f'trial-{name}.json'} {wrong}; no winner is named. Remove {folder} to search anew")
    return [found[name] for name in sorted(found)]


def set_aside(folder: Path) -> None:
    """Take all trials that are kept in ``folder`` for not yet done; :func:`take_again` finds them.

    The checkpoint of a trial that has not ended is removed: nothing says which hyperparameters it is of.
    """
    (folder / _ASIDE).mkdir(exist_ok=True)
    for path in folder.glob("trial-*.checkpoint"):
        if not path.with_suffix(".json").exists():
            path.unlink()
    for path in folder.glob("trial-*.json"):
        path.replace(folder / _ASIDE / path.name)


def take_again(folder: Path, name: str, values: Mapping[str, Any], max_epoch: int) -> Trial | None:
    """The trial ``name`` that was set aside, if it was one of Keras Tuner's ``values`` up to ``max_epoch``.

    Else None; what was set aside under that name is of another trial, and is removed with its checkpoint.
    """
    path = folder / _ASIDE / f"trial-{name}.json"
    if not path.exists():
        return None
    trial, chosen = _read_unless_damaged(path), ended(name, values, None, 0, max_epoch)
    if trial is not None and _choice(trial) == _choice(chosen):
        return trial
    path.unlink()
    (folder / f"trial-{name}.checkpoint").unlink(missing_ok=True)
    return None


def _read_unless_damaged(path: Path) -> Trial | None:
    try:
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return None


def _choice(trial: Trial) -> tuple[Any, ...]:
    """What an oracle chose of ``trial``."""
    return trial.name, trial.parent, trial.round, trial.max_epoch, trial.hyperparameters


def winner(trials: Sequence[Trial]) -> Trial:
    """The highest val_accuracy among the trials of the highest rung that could be trained; of equals the first.

    Raises :class:`UserError` where none could.
    """
    trained = [trial for trial in trials if trial.failure is None]
    if not trained:
        raise UserError(f"none of {len(trials)} trials could be trained, the first because: {trials[0].failure}")
    highest = max(trial.max_epoch for trial in trained)
    return max((trial for trial in trained if trial.max_epoch == highest), key=lambda trial: trial.val_accuracy)


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """What a search cost, and its :func:`winner`; hyperparameters are text because ``write_json`` rounds numbers."""
    best = winner(trials)
    return {
        "trials": len(trials),
        "epochs": sum(trial.epochs_trained for trial in trials),
        "trial": best.name,
        "val_accuracy": best.val_accuracy,
        "val_loss": best.val_loss,
        "hyperparameters": {axis: repr(value) for axis, value in best.hyperparameters.items()},
    }


def write_table(path: Path, trials: Sequence[Trial]) -> None:
    """A row per trial: rung, epochs, scores and hyperparameters; where some failed, also why."""
    failed = any(trial.failure for trial in trials)
    axes = sorted({axis for trial in trials for axis in trial.hyperparameters})
    write_csv(
        path,
        [
            {
                "trial": trial.name,
                "parent": trial.parent,
                "round": trial.round,
                "max_epoch": trial.max_epoch,
                "epochs": trial.epochs,
                "val_accuracy": trial.val_accuracy,
                "val_loss": trial.val_loss,
            }
            | ({"failure": trial.failure} if failed else {})
            | {axis: f"{value:.6g}" if (value := trial.hyperparameters.get(axis)) is not None else "" for axis in axes}
            for trial in trials
        ],
    )
