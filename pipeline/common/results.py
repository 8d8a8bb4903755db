"""What the stages measured, read back from metrics/ and data/predictions for the runs that params.yaml declares."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.common.params import Params
from pipeline.common.runs import Run, declared


@dataclass(frozen=True)
class Results:
    """The figures of every declared run, each measure as {"mean", "std", "n"} over seeds.

    ``trained`` holds metrics/<group>/<run>.json, ``tested`` the run's entry in metrics/evaluate/<group>.json, ``naive``
    that of the classifier that looks at no image. ``missing``: what has not been run yet, as after ``dvc repro -s``.
    """

    seeds: tuple[int, ...]
    trained: dict[Run, dict[str, Any]]
    tested: dict[Run, dict[str, Any]]
    naive: dict[str, Any]
    missing: list[Run]

    @property
    def selected(self) -> Run:
        """The run with the highest mean validation accuracy; of equals the first in the order of the study."""
        return max(self.trained, key=lambda run: float(self.trained[run]["val"]["accuracy"]["mean"]))

    def best_seed(self, run: Run) -> int:
        """The seed whose saved model has the highest validation accuracy; of equals the first."""
        return max(
            self.seeds, key=lambda seed: float(read_json(run.log(seed) / "metrics.json")["model"]["val_accuracy"])
        )


def read(params: Params) -> Results:
    """Read the figures of all declared runs that are there."""
    groups = declared(params)
    files = {group: Path(f"metrics/evaluate/{group}.json") for group in groups}
    evaluated = {group: read_json(path) if path.exists() else {} for group, path in files.items()}
    runs = [run for members in groups.values() for run in members]
    there = [run for run in runs if run.metrics.exists() and run.name in evaluated[run.group]]
    return Results(
        seeds=params.train.seeds,
        trained={run: read_json(run.metrics) for run in there},
        tested={run: evaluated[run.group][run.name] for run in there},
        naive=evaluated["baseline"]["naive"],
        missing=[run for run in runs if run not in there],
    )


def predictions(run: Run, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Labels (n,) of the test images, and the class probabilities (n, classes) from the model of ``seed``."""
    return np.load(f"data/predictions/{run.group}/labels.npy"), np.load(run.predictions(seed))


def correct(run: Run, seeds: Sequence[int]) -> list[npt.NDArray[np.bool_]]:
    """For each seed which test images its model names correctly, bool (n,)."""
    pairs = (predictions(run, seed) for seed in seeds)
    return [probabilities.argmax(axis=1) == labels for labels, probabilities in pairs]


def learning_curves(run: Run, seed: int) -> dict[str, list[float]]:
    """One value per epoch of "train/loss", "train/accuracy", "val/loss" and "val/accuracy"."""
    columns = {}
    for path in sorted(run.log(seed).glob("plots/metrics/*/*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            columns[f"{path.parent.name}/{path.stem}"] = [float(row[path.stem]) for row in rows]
    return columns


def figure(measure: Mapping[str, float]) -> str:
    """A mean with four decimals, with its standard deviation where there is one."""
    spread = f" ± {measure['std']:.4f}" if "std" in measure else ""
    return f"{measure['mean']:.4f}{spread}"


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
