"""What the stages measured, read back from metrics/ and data/predictions for the runs that params.yaml declares."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.statistics import Statistic, Statistics
from pipeline.files.artefacts import read_json
from pipeline.files.runs import Run
from pipeline.params.reading import Params
from pipeline.params.runs import declared


@dataclass(frozen=True)
class SearchResult:
    """What a search cost, and its winner as a trial; ``hyperparameters`` as text with six digits."""

    trials: int
    epochs: int
    val_accuracy: float
    hyperparameters: Mapping[str, str]


@dataclass(frozen=True)
class RunResult:
    """The statistics over seeds of one run's scores, by their names; ``classes`` are test scores by class name."""

    parameters: int
    epochs: Statistic
    val: Statistics
    test: Statistics
    classes: Mapping[str, Statistics]
    search: SearchResult | None = None


@dataclass(frozen=True)
class Results:
    """All declared runs that have been trained and evaluated, and what is known of their data.

    ``naive`` is the classifier that looks at no image; ``missing`` are the runs that are not there yet, as after ``dvc
    repro -s``. ``dataset`` and ``split`` are metrics/dataset.json and metrics/split.json.
    """

    seeds: tuple[int, ...]
    runs: Mapping[Run, RunResult]
    naive: Statistics
    missing: Sequence[Run]
    dataset: Mapping[str, Any]
    split: Mapping[str, Any]

    @property
    def selected(self) -> Run:
        """The run with the highest mean validation accuracy; of equals the first in the order of the study."""
        return max(self.runs, key=lambda run: self.runs[run].val["accuracy"].mean)

    def best_seed(self, run: Run) -> int:
        """The seed whose saved model has the highest validation accuracy; of equals the first."""
        return max(
            self.seeds, key=lambda seed: float(read_json(run.log(seed) / "metrics.json")["model"]["val_accuracy"])
        )


def read(params: Params) -> Results:
    """Read the results of all declared runs that are there."""
    groups = declared(params)
    files = {group: Path(f"metrics/evaluate/{group}.json") for group in groups}
    evaluated = {group: read_json(path) if path.exists() else {} for group, path in files.items()}
    runs = [run for members in groups.values() for run in members]
    there = [run for run in runs if run.metrics.exists() and run.name in evaluated[run.group]]
    return Results(
        seeds=params.train.seeds,
        runs={run: _run_result(run, evaluated[run.group][run.name]) for run in there},
        naive=_statistics(evaluated["baseline"]["naive"]),
        missing=[run for run in runs if run not in there],
        dataset=read_json(Path("metrics/dataset.json")),
        split=read_json(Path("metrics/split.json")),
    )


def _run_result(run: Run, test: Mapping[str, Any]) -> RunResult:
    trained = read_json(run.metrics)
    classes = read_json(Path(f"metrics/evaluate/{run.group}/per_class.json"))[run.name]
    search = trained.get("search")
    return RunResult(
        parameters=trained["parameters"],
        epochs=Statistic.from_json(trained["epochs"]),
        val=_statistics(trained["val"]),
        test=_statistics(test),
        classes={name: _statistics(entry) for name, entry in classes.items()},
        search=None if search is None else _search_result(search),
    )


def _search_result(entry: Mapping[str, Any]) -> SearchResult:
    winner = entry["winner"]
    return SearchResult(entry["trials"], entry["epochs_spent"], winner["val_accuracy"], winner["hyperparameters"])


def _statistics(entries: Mapping[str, Mapping[str, float]]) -> Statistics:
    return {name: Statistic.from_json(entry) for name, entry in entries.items()}


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
