"""The trials of a search: which model each is, what it gave, and which of them won."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.common.artefacts import DECIMALS, write_text
from pipeline.common.experiment import Configuration
from pipeline.common.network import Architecture
from pipeline.common.searches import Search
from pipeline.common.training import History


@dataclass(frozen=True)
class Trial:
    """One trial as it ended.

    ``budget`` is the epoch at which its rung ends; ``epochs`` how many it and its parents trained in all, of which
    ``spent`` are its own. A trial that diverged has a val_accuracy of 0 and no val_loss.
    """

    name: str
    parent: str | None
    round: int
    budget: int
    epochs: int
    spent: int
    val_accuracy: float
    val_loss: float | None
    values: Mapping[str, float]


def configuration(search: Search, values: Mapping[str, Any]) -> Configuration:
    """The model that the hyperparameters ``values`` describe."""
    layers = range(1, int(values["layers"]) + 1)

    def of(layer: int, name: str) -> float:
        return float(values[name] if name in values else values[f"{name}_{layer}"])

    dropped = layers if search.dropout_after == "all" else search.dropout_after
    architecture = Architecture(
        units=tuple(int(values[f"units_{layer}"]) for layer in layers),
        l2=tuple(of(layer, "l2") for layer in layers),
        dropout=tuple(of(layer, "dropout") if layer in dropped else 0.0 for layer in layers),
    )
    return Configuration(architecture, float(values["learning_rate"]), search.patience)


def ended(name: str, values: Mapping[str, Any], history: History | None, spent: int, budget: int) -> Trial:
    """The trial ``name`` with the hyperparameters ``values``; ``history`` None: it diverged."""
    epochs = history.epochs if history is not None else []
    return Trial(
        name=name,
        parent=values.get("tuner/trial_id"),
        round=int(values.get("tuner/round", 0)),
        budget=budget,
        epochs=len(epochs),
        spent=spent,
        val_accuracy=max((epoch.val.accuracy for epoch in epochs), default=0.0),
        val_loss=min((epoch.val.loss for epoch in epochs), default=None),
        values={key: value for key, value in values.items() if not key.startswith("tuner/")},
    )


def record(folder: Path, trial: Trial) -> None:
    """Keep ``trial`` in ``folder``."""
    write_text(folder / f"trial-{trial.name}.json", json.dumps(trial.__dict__))


def recorded(folder: Path) -> list[Trial]:
    """All trials kept in ``folder``, in the order of their names."""
    return [Trial(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("trial-*.json"))]


def winner(trials: Sequence[Trial]) -> Trial:
    """The highest val_accuracy among the trials of the highest rung; of equals the first."""
    highest = max(trial.budget for trial in trials)
    return max((trial for trial in trials if trial.budget == highest), key=lambda trial: trial.val_accuracy)


def write_csv(path: Path, trials: Sequence[Trial]) -> None:
    """A row per trial: rung, epochs, scores and hyperparameters."""
    axes = sorted({axis for trial in trials for axis in trial.values})
    facts = ("trial", "parent", "round", "budget", "epochs", "val_accuracy", "val_loss")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*facts, *axes])
    for trial in trials:
        loss = "" if trial.val_loss is None else round(trial.val_loss, DECIMALS)
        row = [
            trial.name,
            trial.parent,
            trial.round,
            trial.budget,
            trial.epochs,
            round(trial.val_accuracy, DECIMALS),
            loss,
        ]
        writer.writerow([*row, *(f"{trial.values[axis]:.6g}" if axis in trial.values else "" for axis in axes)])
    write_text(path, text.getvalue())
