"""What the stages measured, read back from metrics/ and data/predictions for the runs that params.yaml declares."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.statistics import Statistic, Statistics, over_seeds
from pipeline.files.artefacts import Entry, read_csv, read_json
from pipeline.files.errors import UserError
from pipeline.files.names import counted
from pipeline.files.runs import GROUPS_OF_ONE, Predicted, Run, group_file
from pipeline.params.beyond import ENSEMBLE
from pipeline.params.reading import Params
from pipeline.params.runs import SECTION_OF, compared, declared, differences
from pipeline.reporting import contents
from pipeline.reporting.contents import evaluated_again

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class SearchResult:
    """What a search cost, and its winner as a trial; ``hyperparameters`` as text. ``winner`` is all of winner.json."""

    trials: int
    epochs: int
    val_accuracy: float
    hyperparameters: Mapping[str, str]
    winner: Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """One run: the statistics over seeds of its scores by their names, and what is kept of each seed.

    ``multiply_adds`` are those of training one seed. ``ensemble`` are test scores of all seeds together, ``classes``
    are test scores by class name; ``val_accuracies``, ``test_accuracies`` and ``curves`` are by seed, the last a value
    per epoch of each of :data:`CURVES`. ``folds`` is the validation accuracy over the folds of a run that has some,
    ``one_look`` are the test scores at one look of one whose models average several.
    """

    parameters: int
    multiply_adds: Statistic
    epochs: Statistic
    val: Statistics
    test: Statistics
    ensemble: Mapping[str, float]
    classes: Mapping[str, Statistics]
    val_accuracies: Mapping[int, float]
    test_accuracies: Mapping[int, float]
    curves: Mapping[int, Mapping[str, Sequence[float]]]
    search: SearchResult | None = None
    folds: Statistic | None = None
    one_look: Statistics | None = None

    @property
    def best_seed(self) -> int:
        """The seed whose saved model has the highest validation accuracy; of equals the first."""
        return max(self.val_accuracies, key=lambda seed: self.val_accuracies[seed])


@dataclass(frozen=True)
class EnsembleResult:
    """Several runs that decide together: their names in the order of their choice, and the ensemble's scores."""

    members: Sequence[str]
    val: Mapping[str, float]
    test: Mapping[str, float]


@dataclass(frozen=True)
class Results:
    """All declared runs that have been trained and evaluated, and what is known of their data.

    ``naive`` are test scores of the classifier that looks at no image, if the baseline was evaluated; ``missing`` are
    the runs that are not there yet. ``dataset`` and ``split`` are metrics/dataset.json and metrics/split.json.
    ``compared`` has each run, there or not, that shows what a part of another is worth, and that other one;
    ``differences`` has each parameter in which it is not as the other, its own value first.
    ``together`` is the ensemble over runs beyond the study.
    """

    seeds: tuple[int, ...]
    runs: Mapping[Run, RunResult]
    naive: Mapping[str, float] | None
    missing: Sequence[Run]
    dataset: Mapping[str, Any]
    split: Mapping[str, Any]
    compared: Mapping[Run, Run] = field(default_factory=dict)
    differences: Mapping[Run, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    together: EnsembleResult | None = None

    @property
    def comparable(self) -> bool:
        """Whether the images are those of the study, so that its scores may stand beside these."""
        return self.dataset["dataset"] in ("cifar10", "cifar10-jpeg")

    @property
    def candidates(self) -> list[Run]:
        """The runs among which one is selected: all but those that show what a part of another is worth."""
        return [run for run in self.runs if run not in self.compared]

    def select(self, groups: Collection[str]) -> Run | None:
        """The candidate of ``groups`` with the highest mean validation accuracy; of equals the first in their order.

        None where none of them has been evaluated.
        """
        candidates = [run for run in self.candidates if run.group in groups]
        return max(candidates, key=lambda run: self.runs[run].val["accuracy"].mean, default=None)

    @property
    def selected(self) -> Run:
        """The candidate with the highest mean validation accuracy of all. Raises :class:`UserError` without any."""
        best = self.select(SECTION_OF)
        if best is None:
            raise UserError("metrics/ has no run that can be selected; 'dvc repro evaluate' makes them")
        return best


def read(params: Params) -> Results:
    """Read the results of all declared runs that are there.

    Raises :class:`UserError` where a file is damaged, or one of a group does not fit the others.
    """
    found: dict[Run, RunResult] = {}
    missing: list[Run] = []
    naive, together = None, None
    for group, runs in declared(params).items():
        if not group_file(group).exists():
            missing += runs
            continue
        with _damage_told(group):
            summary = read_json(group_file(group))
            if not isinstance(summary, dict) or not summary:
                raise ValueError("it holds no run")
            if group in GROUPS_OF_ONE:
                summary = {group: summary}
            if group == "baseline":
                contents.check(contents.Tested, summary[group]["naive"])
                naive = summary[group]["naive"]["test"]
            if group == "beyond" and ENSEMBLE in summary:
                contents.check(contents.Together, summary[ENSEMBLE])
                together = EnsembleResult(**summary[ENSEMBLE])
            tables = {kind: read_csv(group_file(group, kind)) for kind in ("seeds", "epochs", "classes")}
            for run in runs:
                if run.name in summary:
                    own = {kind: [row for row in rows if row["run"] == run.name] for kind, rows in tables.items()}
                    _check_seeds(run, summary[run.name]["n"], own)
                    contents.check(contents.Entry, summary[run.name])
                    found[run] = _run_result(run, summary[run.name], own)
                    _check(run, found[run])
                else:
                    missing.append(run)
    dataset = contents.described("dataset", contents.Dataset, "'dvc repro -f -s fetch' makes it anew")
    split = contents.described("split", contents.Split, "'dvc repro -f -s preprocess' makes it anew")
    rows = compared(params)
    changed = {run: differences(params, run) for run in rows}
    return Results(params.train.seeds, found, naive, missing, dataset, split, rows, changed, together)


@contextmanager
def _damage_told(group: str) -> Iterator[None]:
    """Within it, what the files of ``group`` hold instead of numbers and mappings is a :class:`UserError`."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        said = f"{group_file(group)} or a table beside it is damaged ({' '.join(str(error).split())})"
        raise UserError(f"{said}; {evaluated_again(group)}") from None


def _check_seeds(run: Run, n: int, tables: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Raise :class:`UserError` unless each of the ``tables`` has ``n`` seeds of ``run``."""
    for kind, rows in tables.items():
        seeds = len({row["seed"] for row in rows})
        if seeds != n:
            raise UserError(
                f"{group_file(run.group, kind)} has {counted(seeds, 'seed')} of {run.name}, and "
                f"{group_file(run.group)} {n}; {evaluated_again(run.group)}"
            )


def _run_result(run: Run, entry: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, str]]]) -> RunResult:
    n = entry["n"]

    def statistics(part: Mapping[str, Any]) -> Statistics:
        return Entry(group_file(run.group), {k: Statistic.from_json(value, n) for k, value in part.items()})

    classes: dict[str, list[dict[str, float]]] = {}
    for row in tables["classes"]:
        scores = {key: float(value) for key, value in row.items() if key not in ("run", "seed", "class")}
        classes.setdefault(row["class"], []).append(scores)
    curves: dict[int, dict[str, list[float]]] = {}
    for row in tables["epochs"]:
        of_seed = curves.setdefault(int(row["seed"]), {curve: [] for curve in CURVES})
        for curve in CURVES:
            of_seed[curve].append(float(row[curve]))
    search, folds, one_look = (entry.get(name) for name in ("search", "folds", "one_look"))
    return RunResult(
        parameters=entry["parameters"],
        multiply_adds=Statistic.from_json(entry["multiply_adds"], n),
        epochs=Statistic.from_json(entry["epochs"], n),
        val=statistics(entry["val"]),
        test=statistics(entry["test"]),
        ensemble=entry["ensemble"]["test"],
        classes={name: Entry(group_file(run.group, "classes"), over_seeds(scores)) for name, scores in classes.items()},
        val_accuracies={int(row["seed"]): float(row["val_accuracy"]) for row in tables["seeds"]},
        test_accuracies={int(row["seed"]): float(row["test_accuracy"]) for row in tables["seeds"]},
        curves=curves,
        search=None if search is None else _search_result(search),
        folds=None if folds is None else Statistic.from_json(folds["accuracy"], folds["accuracy"]["n"]),
        one_look=None if one_look is None else statistics(one_look["test"]),
    )


def _check(run: Run, result: RunResult) -> None:
    parts = {"val": result.val, "test": result.test, "one_look": result.one_look or {}, "the run's": _of_run(result)}
    for kind, named in (("", parts), ("classes", result.classes)):
        for part, scores in named.items():
            for name, score in scores.items():
                if not score.finite:
                    place = f"{group_file(run.group, kind)}: {run.name}: {part} {name}"
                    raise UserError(f"{place} is {score}; allowed: finite numbers")


def _of_run(result: RunResult) -> Statistics:
    own = {"epochs": result.epochs, "multiply_adds": result.multiply_adds, "folds": result.folds}
    by_seed = {
        f"seed {seed} {split}": Statistic(accuracy, 1)
        for split, accuracies in (("val", result.val_accuracies), ("test", result.test_accuracies))
        for seed, accuracy in accuracies.items()
    }
    return {name: statistic for name, statistic in {**own, **by_seed}.items() if statistic is not None}


def _search_result(entry: Mapping[str, Any]) -> SearchResult:
    return SearchResult(entry["trials"], entry["epochs"], entry["val_accuracy"], entry["hyperparameters"], entry)


def check_predictions(results: Results, classes: int) -> None:
    """Raise :class:`UserError` unless all predictions are of ``classes`` classes and of the same labels."""
    first: npt.NDArray[np.uint8] | None = None
    for run in results.runs:
        for seed in results.seeds:
            labels, _ = contents.class_probabilities(run, seed, classes)
            first = labels if first is None else first
            if not np.array_equal(labels, first):
                again = evaluated_again(run.group)
                raise UserError(f"data/predictions/{run.group}/labels.npy differs from another group's; {again}")


def correct(run: Run, seeds: Sequence[int], of: Predicted = "test") -> npt.NDArray[np.bool_]:
    """Whether the model of each of ``seeds`` names each test image correctly, (seeds, n)."""
    pairs = (contents.class_probabilities(run, seed, of=of) for seed in seeds)
    return np.stack([probabilities.argmax(axis=1) == labels for labels, probabilities in pairs])
