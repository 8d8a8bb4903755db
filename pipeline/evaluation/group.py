"""The scores of a group's runs: over seeds for metrics/<group>.json, and one by one for the tables beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.classification import scores, scores_by_class
from pipeline.evaluation.ensemble import chosen, decided
from pipeline.evaluation.inference import Predictions
from pipeline.evaluation.statistics import Statistic, over_seeds
from pipeline.files.artefacts import AGAIN, read_csv, read_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Fold, Predicted, Run

_OF_RUN = ("epochs", "best_epoch", "multiply_adds")
_CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
_BY_CLASS = ("precision", "recall", "f1", "images")


@dataclass(frozen=True)
class SeedScores:
    """One seed of one run.

    ``metrics`` is its metrics.json; ``test`` and ``classes`` are test scores, of all images and by class name;
    ``probabilities``, float32 (n, classes), are on the test images. ``one_look`` are the test scores at one look of a
    model that averages several.
    """

    run: Run
    seed: int
    metrics: Mapping[str, Any]
    test: Mapping[str, float]
    classes: Mapping[str, Mapping[str, float]]
    probabilities: npt.NDArray[np.float32]
    one_look: Mapping[str, float] | None = None


def split_by_training(
    runs: Sequence[Run], folds: Sequence[Fold], seeds: Sequence[int]
) -> tuple[list[Run], list[Fold], list[str]]:
    """Those of ``runs`` that all ``seeds`` have trained, the ``folds`` of runs with all of them, and what is left out.

    The latter are texts for people.
    """
    lacking = {run: run.untrained(seeds) for run in runs}
    cut = sorted({fold.name for fold in folds if not fold.log(seeds[0]).exists()})
    absent = [
        run.name if len(lacks) == len(seeds) else f"{run.name} (seed {', '.join(map(str, lacks))})"
        for run, lacks in lacking.items()
        if lacks
    ]
    whole = [run for run in runs if not lacking[run]], [fold for fold in folds if fold.name not in cut]
    return *whole, [*absent, *(f"folds of {name}" for name in cut)]


def score_seed(
    run: Run,
    seed: int,
    labels: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32],
    class_names: Sequence[str],
    at_one_look: npt.NDArray[np.float32] | None = None,
) -> SeedScores:
    """The scores of ``seed``, whose ``probabilities`` (n, classes) stand against the test images' ``labels`` (n,).

    ``at_one_look`` (n, classes): the probabilities at one look, of a model that averages several.
    """
    predicted = probabilities.argmax(axis=1)
    metrics = read_json(run.log(seed) / "metrics.json")
    by_class = scores_by_class(labels, predicted, class_names)
    one_look = None if at_one_look is None else scores(labels, at_one_look.argmax(axis=1))
    return SeedScores(run, seed, metrics, scores(labels, predicted), by_class, probabilities, one_look)


def summarise(seeds: Sequence[SeedScores], labels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """What metrics/<group>.json says of a run: statistics over its seeds, and the ensemble of their models.

    The ensemble names the class with the highest mean probability over seeds.
    """
    ensemble = scores(labels, decided([seed.probabilities for seed in seeds]))
    at_one_look = [seed.one_look for seed in seeds if seed.one_look is not None]
    return {
        "n": len(seeds),
        "val": over_seeds([seed.metrics["val"] for seed in seeds]),
        "test": over_seeds([seed.test for seed in seeds]),
        "train": over_seeds([seed.metrics["train"] for seed in seeds]),
        **{name: Statistic.of([seed.metrics[name] for seed in seeds]) for name in _OF_RUN},
        "parameters": seeds[0].metrics["parameters"],
        "ensemble": {"test": {name: ensemble[name] for name in ("accuracy", "f1")}},
        **({"one_look": {"test": over_seeds(at_one_look)}} if at_one_look else {}),
    }


def summarise_folds(folds: Sequence[Fold], seed: int) -> dict[str, Any]:
    """What metrics/<group>.json says of the ``folds`` of a run, which ``seed`` trained: each validated on its own."""
    accuracy = Statistic.of([read_json(fold.log(seed) / "metrics.json")["val"]["accuracy"] for fold in folds])
    return {"accuracy": accuracy.as_json() | {"n": accuracy.n}}


def summarise_together(
    runs: Mapping[str, Sequence[Predictions]],
    val_labels: npt.NDArray[np.uint8],
    test_labels: npt.NDArray[np.uint8],
) -> dict[str, Any]:
    """What metrics/beyond.json says of the ensemble over ``runs``, each the mean of its seeds.

    Its members are chosen by their probabilities on the validation images.
    """

    def means(of: Predicted) -> dict[str, npt.NDArray[np.float32]]:
        return {name: np.mean([own[of] for own in seeds], axis=0) for name, seeds in runs.items()}

    on_val, on_test = means("val"), means("test")
    members = chosen(val_labels, on_val)
    val = scores(val_labels, decided([on_val[name] for name in members]))
    test = scores(test_labels, decided([on_test[name] for name in members]))
    return {
        "members": members,
        "val": {"accuracy": val["accuracy"]},
        "test": {name: test[name] for name in ("accuracy", "f1")},
    }


def tables(seeds: Sequence[SeedScores]) -> dict[str, list[dict[str, Any]]]:
    """The tables beside metrics/<group>.json by their kind. Raises :class:`UserError` where a log is damaged."""
    return {"seeds": seeds_table(seeds), "epochs": epochs_table(seeds), "classes": classes_table(seeds)}


def seeds_table(seeds: Sequence[SeedScores]) -> list[dict[str, Any]]:
    """A row per run and seed with all its scores."""
    return [
        {"run": seed.run.name, "seed": seed.seed}
        | {f"val_{name}": seed.metrics["val"][name] for name in ("accuracy", "loss", "precision", "f1")}
        | {f"test_{name}": seed.test[name] for name in ("accuracy", "precision", "f1")}
        | {f"train_{name}": seed.metrics["train"][name] for name in ("accuracy", "loss")}
        | {name: seed.metrics[name] for name in ("epochs", "best_epoch", "parameters", "multiply_adds")}
        for seed in seeds
    ]


def epochs_table(seeds: Sequence[SeedScores]) -> list[dict[str, Any]]:
    """A row per run, seed and epoch with loss and accuracy of train and val, from dvclive's log.

    Raises :class:`UserError` where a table of the log is damaged.
    """
    rows = []
    for seed in seeds:
        folder = seed.run.log(seed.seed) / "plots/metrics"
        columns = {}
        for curve in _CURVES:
            table = read_csv(folder / f"{curve}.tsv", delimiter="\t")
            columns[curve.replace("/", "_")] = [row[curve.rpartition("/")[2]] for row in table]
        try:
            for epoch, values in enumerate(zip(*columns.values(), strict=True), start=1):
                scored = dict(zip(columns, map(float, values), strict=True))
                rows.append({"run": seed.run.name, "seed": seed.seed, "epoch": epoch} | scored)
        except ValueError as error:
            raise UserError(f"{folder}: a table is damaged ({error}); {AGAIN}") from None
    return rows


def classes_table(seeds: Sequence[SeedScores]) -> list[dict[str, Any]]:
    """A row per run, seed and class with its test scores and the number of its images."""
    return [
        {"run": seed.run.name, "seed": seed.seed, "class": name} | {key: scored[key] for key in _BY_CLASS}
        for seed in seeds
        for name, scored in seed.classes.items()
    ]
