"""What is read back from metrics/, and what is selected of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import read_json, write_array, write_csv, write_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Run, group_file
from pipeline.params import reading
from pipeline.reporting import contents, document, results, selected
from pipeline.reporting.published import STUDY_GROUPS
from pipeline.reporting.results import EnsembleResult, Results, RunResult, SearchResult
from tests.conftest import ROOT

SHALLOW, BASELINE, FINAL = Run("scale", "shallow"), Run("baseline", "baseline"), Run("tune", "final")
NAN = float("nan")
SECTIONS: tuple[reading.SectionName, ...] = ("ablation", "baseline", "reg", "scale", "train", "tune", "beyond")


def entry(accuracy: float) -> dict[str, Any]:
    """What metrics/<group>.json says of a run."""
    return {
        "n": 2,
        "val": {"accuracy": {"mean": accuracy, "std": 0.01}},
        # The better on validation, the worse on test: a selection by test would be seen.
        "test": {"accuracy": {"mean": 1 - accuracy, "std": 0.02}},
        "epochs": {"mean": 2.0, "std": 0.0},
        "multiply_adds": {"mean": 6e9, "std": 0.0},
        "ensemble": {"test": {"accuracy": accuracy / 2, "f1": accuracy / 4}},
        "parameters": 30,
    }


def write(group: str, summary: dict[str, Any], *runs: str) -> None:
    """The four files of a group; the second of two seeds has 0.125 more of all."""
    write_json(group_file(group), summary)
    rows = [(run, seed, 0.125 * (seed - 100)) for run in runs for seed in (100, 101)]
    write_csv(
        group_file(group, "seeds"),
        [{"run": run, "seed": seed, "val_accuracy": 0.5 + add, "test_accuracy": 0.25 + add} for run, seed, add in rows],
    )
    write_csv(
        group_file(group, "epochs"),
        [
            {"run": run, "seed": seed, "epoch": epoch}
            | {curve: 10 * number + epoch + add for number, curve in enumerate(results.CURVES)}
            for run, seed, add in rows
            for epoch in (1, 2)
        ],
    )
    write_csv(
        group_file(group, "classes"),
        [
            {"run": run, "seed": seed, "class": name, "precision": 0.25 + add, "recall": 0.5 + add}
            | {"f1": 0.375 + add, "images": 7}
            for run, seed, add in rows
            for name in ("cat", "dog")
        ],
    )


SEARCH: dict[str, Any] = {
    "trials": 8,
    "epochs": 300,
    "trial": "0003",
    "val_accuracy": 0.61,
    "hyperparameters": {"l2": "6e-05"},
}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Three runs of three groups, and beside them one that is not declared."""
    params = reading.load(*SECTIONS, path=ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    write("baseline", entry(0.4) | {"naive": {"test": {"accuracy": 0.1, "f1": 0.02}}}, "baseline")
    write("scale", {"shallow": entry(0.5), "undeclared": entry(0.9)}, "shallow", "undeclared")
    write("tune", {"final": entry(0.5) | {"search": SEARCH}}, "final")
    write_json(Path("metrics/dataset.json"), {"dataset": "cifar10"})
    write_json(Path("metrics/split.json"), {"counts": {}})
    return results.read(params)


def test_runs_are_read_back_with_their_statistics_and_seeds(measured: Results) -> None:
    assert list(measured.runs) == [BASELINE, SHALLOW, FINAL]
    assert measured.naive == {"accuracy": 0.1, "f1": 0.02}
    result = measured.runs[SHALLOW]
    assert (result.parameters, result.epochs) == (30, Statistic(2.0, 2, 0.0))
    assert result.multiply_adds == Statistic(6e9, 2, 0.0)
    assert result.ensemble == {"accuracy": 0.25, "f1": 0.125}
    assert result.folds is None
    assert result.val == {"accuracy": Statistic(0.5, 2, 0.01)}
    assert result.test == {"accuracy": Statistic(0.5, 2, 0.02)}
    assert result.val_accuracies == {100: 0.5, 101: 0.625}
    assert result.test_accuracies == {100: 0.25, 101: 0.375}
    assert result.curves[101]["val_loss"] == [21.125, 22.125]
    assert result.curves[100]["train_accuracy"] == [11, 12]
    # Half of 0.125 on either side of the mean: the root of twice its square, divided by the seeds less one.
    assert (result.classes["dog"]["recall"].mean, result.classes["dog"]["recall"].n) == (0.5625, 2)
    assert result.classes["dog"]["recall"].std == pytest.approx(0.125 / 2**0.5)
    assert result.classes["dog"]["images"].mean == 7
    assert result.search is None
    assert measured.runs[FINAL].search == SearchResult(8, 300, 0.61, SEARCH["hyperparameters"], SEARCH)


def test_declared_runs_that_are_not_there_are_missing(measured: Results) -> None:
    missing = {str(run) for run in measured.missing}
    assert {"scale/deep", "regularise/regularise", "ablation/headline", "tune/broad"} < missing
    assert not missing & {"baseline/baseline", "scale/shallow", "tune/final"}


def test_without_the_baseline_there_is_no_naive_classifier(measured: Results) -> None:
    group_file("baseline").unlink()
    again = results.read(reading.load(*SECTIONS, path=ROOT / "params.yaml"))
    assert again.naive is None
    assert BASELINE in again.missing


@pytest.mark.parametrize(
    ("part", "value"), [("val", {"mean": float("nan")}), ("test", {"mean": 0.5, "std": float("inf")})]
)
def test_a_score_that_is_no_number_is_named_and_gets_into_no_page(
    part: str, value: dict[str, float], measured: Results
) -> None:
    write_json(group_file("scale"), {"shallow": entry(0.5) | {part: {"accuracy": value}}})
    with pytest.raises(
        UserError, match=rf"metrics/scale\.json: shallow: {part} accuracy is .*(nan|inf); allowed: finite"
    ):
        results.read(reading.load(*SECTIONS, path=ROOT / "params.yaml"))


def test_a_score_of_a_class_that_is_no_number_is_named(measured: Results) -> None:
    path = group_file("scale", "classes")
    path.write_text(path.read_text().replace("0.375", "nan"))
    with pytest.raises(UserError, match=r"metrics/scale-classes\.csv: shallow: cat precision is nan"):
        results.read(reading.load(*SECTIONS, path=ROOT / "params.yaml"))


FILES = [
    *(f"{group}{kind}" for group in ("baseline", "scale", "tune") for kind in (".json", "-seeds.csv", "-epochs.csv")),
    *("scale-classes.csv", "dataset.json", "split.json"),
]


def read_again() -> Results:
    return results.read(reading.load(*SECTIONS, path=ROOT / "params.yaml"))


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_cut_short_is_named(measured: Results, file: str) -> None:
    path = Path("metrics", file)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match=rf"^metrics/{file} is damaged \(") as caught:
        read_again()
    assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=rf"^metrics/{file} is damaged \("):
        read_again()


@pytest.mark.parametrize("file", [name for name in FILES if name.endswith(".csv")])
def test_a_table_that_is_missing_is_named(measured: Results, file: str) -> None:
    Path("metrics", file).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        read_again()
    assert str(caught.value.filename) == f"metrics/{file}"


@pytest.mark.parametrize("file", [name for name in FILES if name.endswith(".csv")])
def test_a_table_that_lost_a_seed_is_named(measured: Results, file: str) -> None:
    path = Path("metrics", file)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if ",101," not in line))
    group = file.partition("-")[0]
    with pytest.raises(UserError, match=rf"^metrics/{file} has 1 seed of .*, and metrics/{group}\.json 2; 'dvc repro"):
        read_again()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("scale.json", '"parameters"', '"weights"', r"^metrics/scale\.json has no 'parameters'; "),
        ("scale.json", '"mean"', '"average"', r"^metrics/scale\.json has no 'mean'; "),
        ("baseline.json", '"naive"', '"dull"', r"^metrics/baseline\.json has no 'naive'; "),
        ("scale-seeds.csv", "val_accuracy", "accuracy", r"^metrics/scale-seeds\.csv has no 'val_accuracy'; "),
        ("scale-epochs.csv", "run,", "ran,", r"^metrics/scale-epochs\.csv has no 'run'; "),
        ("scale-seeds.csv", "0.5", "high", r"^metrics/scale\.json or a table beside it is damaged \(could not convert"),
        ("tune.json", '"n": 2', '"n": "two"', r"and metrics/tune\.json two; "),
        ("scale.json", '"val": {', '"val": [], "old": {', r"^metrics/scale\.json or a table beside it is damaged \("),
    ],
)
def test_a_file_of_another_content_is_named(measured: Results, file: str, old: str, new: str, said: str) -> None:
    path = Path("metrics", file)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=said) as caught:
        read_again()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "[1]", "null", "{}"])
@pytest.mark.parametrize("group", ["baseline", "scale"])
def test_a_file_that_is_no_mapping_is_named(measured: Results, group: str, content: str) -> None:
    group_file(group).write_text(content)
    with pytest.raises(UserError, match=rf"^metrics/{group}\.json"):
        read_again()


def test_predictions_that_were_cut_short_are_named(measured: Results) -> None:
    for path in (Path("data/predictions/scale/labels.npy"), SHALLOW.predictions(100)):
        write_array(path, np.arange(100))
    whole = SHALLOW.predictions(100).read_bytes()
    for content in (whole[:-5], whole[:20], b""):
        SHALLOW.predictions(100).write_bytes(content)
        with pytest.raises(UserError, match=r"^data/predictions/scale/shallow/seed-100\.npy is damaged \("):
            contents.class_probabilities(SHALLOW, 100)


@pytest.mark.parametrize("content", ["[]", "null", "5", '"x"', '{"a":' * 3000 + "1" + "}" * 3000])
@pytest.mark.parametrize(("file", "stage"), [("dataset", "fetch"), ("split", "preprocess")])
def test_what_is_known_of_the_data_has_its_form(measured: Results, file: str, stage: str, content: str) -> None:
    Path(f"metrics/{file}.json").write_text(content)
    with pytest.raises(UserError, match=rf"^metrics/{file}\.json is damaged \(.*; 'dvc repro -f -s {stage}'") as caught:
        read_again()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("dataset", {"dataset": None}),
        ("dataset", {"lossless": "yes"}),
        ("dataset", {"content_sha256": 5}),
        ("split", {"counts": None}),
        ("split", {"counts": {"val": {}}}),
        ("split", {"counts": {"val": {"cat": 0}}}),
        ("split", {"counts": {"val": {"cat": "many"}}}),
        ("split", {"counts": {"val": {"cat": True}}}),
        ("split", {"duplicates": [1]}),
    ],
)
def test_parts_of_what_is_known_of_the_data_have_their_form(measured: Results, file: str, part: dict[str, Any]) -> None:
    write_json(Path(f"metrics/{file}.json"), part)
    with pytest.raises(UserError, match=rf"^metrics/{file}\.json is damaged \({next(iter(part))}"):
        read_again()


@pytest.mark.parametrize(
    "part",
    [
        {"naive": 5},
        {"naive": {"test": None}},
        {"naive": {"test": {"accuracy": NAN, "f1": 0.1}}},
        {"naive": {"test": {"accuracy": "0.1", "f1": 0.1}}},
        {"parameters": "30"},
        {"parameters": None},
        {"parameters": True},
        {"parameters": -1},
        {"ensemble": {"test": [0.5]}},
        {"ensemble": {"test": {"accuracy": 10**400, "f1": 0.1}}},
        {"search": 5},
        {"search": SEARCH | {"trials": "8"}},
        {"search": SEARCH | {"val_accuracy": NAN}},
        {"search": SEARCH | {"hyperparameters": {"l2": "small"}}},
        {"search": SEARCH | {"hyperparameters": {"l2": None}}},
        {"epochs": {"mean": NAN}},
        {"multiply_adds": {"mean": 10**400}},
        {"folds": {"accuracy": {"mean": NAN, "n": 2}}},
        {"folds": []},
    ],
)
def test_parts_of_a_run_have_their_form(measured: Results, part: dict[str, Any]) -> None:
    naive = {"naive": {"test": {"accuracy": 0.1, "f1": 0.02}}}
    write_json(group_file("baseline"), entry(0.4) | naive | part)
    with pytest.raises(UserError, match=r"^metrics/baseline\.json.* (damaged \(|is nan; allowed)") as caught:
        read_again()
    assert "\n" not in str(caught.value)


def test_a_score_that_is_asked_for_and_is_not_there_is_named(measured: Results) -> None:
    with pytest.raises(UserError, match=r"^metrics/scale\.json has no 'f1'; "):
        _ = measured.runs[SHALLOW].test["f1"]
    with pytest.raises(UserError, match=r"^metrics/scale-classes\.csv has no 'support'; "):
        _ = measured.runs[SHALLOW].classes["cat"]["support"]


RIGHT = np.full((4, 2), 0.5, np.float32)


@pytest.mark.parametrize(
    ("labels", "probabilities", "named"),
    [
        (np.zeros(4, np.uint8), RIGHT[:3], "shallow/seed-100"),
        (np.zeros(4, np.uint8), RIGHT[:, 0], "shallow/seed-100"),
        (np.zeros(4, np.uint8), RIGHT.astype(int), "shallow/seed-100"),
        (np.zeros(4, np.uint8), RIGHT.astype(str), "shallow/seed-100"),
        (np.zeros(4, np.uint8), RIGHT * np.float32("nan"), "shallow/seed-100"),
        (np.zeros(4, np.uint8), np.hstack([RIGHT, RIGHT]), "shallow/seed-100"),
        (np.zeros(4, np.uint8), RIGHT[:, :1], "shallow/seed-100"),
        (np.full(4, 2, np.uint8), RIGHT, "labels"),
        (np.full(4, -1), RIGHT, "labels"),
        (np.zeros(4), RIGHT, "labels"),
        (np.zeros((4, 1), np.uint8), RIGHT, "labels"),
        (np.zeros(0, np.uint8), RIGHT[:0], "labels"),
    ],
)
def test_predictions_of_another_form_are_named(labels: Any, probabilities: Any, named: str, measured: Results) -> None:
    only = replace(measured, runs={SHALLOW: measured.runs[SHALLOW]}, seeds=(100,))
    write_array(Path("data/predictions/scale/labels.npy"), np.zeros(4, np.uint8))
    write_array(SHALLOW.predictions(100), RIGHT)
    results.check_predictions(only, 2)
    write_array(Path("data/predictions/scale/labels.npy"), labels)
    write_array(SHALLOW.predictions(100), probabilities)
    again = r"'dvc repro -f -s evaluate@scale' makes them anew"
    with pytest.raises(UserError, match=rf"^data/predictions/scale/{named}\.npy holds .*, not .*; {again}$"):
        results.check_predictions(only, 2)


def test_labels_that_differ_between_groups_are_named(measured: Results) -> None:
    for run, label in ((SHALLOW, 0), (FINAL, 1)):
        write_array(Path(f"data/predictions/{run.group}/labels.npy"), np.full(4, label, np.uint8))
        write_array(run.predictions(100), RIGHT)
    both = {run: measured.runs[run] for run in (SHALLOW, FINAL)}
    with pytest.raises(UserError, match=r"^data/predictions/tune/labels\.npy differs"):
        results.check_predictions(replace(measured, runs=both, seeds=(100,)), 2)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((4, 32, 32), np.uint8), np.zeros((4, 32, 32, 3)), np.zeros(4)],
)
def test_mistakes_of_another_form_are_named(images: Any, measured: Results) -> None:
    write_array(Path("data/predictions/scale/labels.npy"), np.ones(4, np.uint8))
    write_array(SHALLOW.predictions(100), RIGHT)
    write_array(SHALLOW.mistakes(100), np.zeros((4, 32, 32, 3), np.uint8))
    assert contents.mistakes(SHALLOW, 100, 15).shape == (4, 32, 32, 3)
    write_array(SHALLOW.mistakes(100), images)
    with pytest.raises(UserError, match=r"^data/predictions/scale/shallow/seed-100-mistakes\.npy holds .*; 'dvc repro"):
        contents.mistakes(SHALLOW, 100, 15)


def with_parts(folder: Path) -> Results:
    """The three runs, and beyond the study one with folds, one that is compared with it, and their ensemble."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["beyond"]["runs"] = {
        "base": {},
        "row": {"shift": 0, "units": [8], "compared_with": "base"},
        "absent": {"compared_with": "base"},
    }
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    folds = {"folds": {"accuracy": {"mean": 0.55, "std": 0.03, "n": 5}}}
    together = {"members": ["base"], "val": {"accuracy": 0.7}, "test": {"accuracy": 0.6, "f1": 0.5}}
    write("beyond", {"base": entry(0.6) | folds, "row": entry(0.8), "ensemble": together}, "base", "row")
    return results.read(reading.load(*SECTIONS, path=path))


BASE, ROW, ABSENT = (Run("beyond", name) for name in ("base", "row", "absent"))


def test_folds_and_the_ensemble_over_runs_are_read_back(measured: Results, tmp_path: Path) -> None:
    found = with_parts(tmp_path)
    assert found.runs[BASE].folds == Statistic(0.55, 5, 0.03)
    assert found.runs[ROW].folds is None
    assert found.together == EnsembleResult(["base"], {"accuracy": 0.7}, {"accuracy": 0.6, "f1": 0.5})
    assert measured.together is None


def test_a_run_that_shows_what_a_part_is_worth_is_never_selected(measured: Results, tmp_path: Path) -> None:
    found = with_parts(tmp_path)
    assert found.compared == {ROW: BASE, ABSENT: BASE}
    assert found.differences == {ROW: {"shift": (0, 2), "units": ((8,), (1024, 1024, 1024))}, ABSENT: {}}
    assert ROW in found.runs
    assert found.candidates == [BASELINE, SHALLOW, FINAL, BASE]
    # The row is the best on validation, and by far the worst on test.
    assert found.selected == found.select(["beyond"]) == BASE
    assert found.select(STUDY_GROUPS) == measured.selected == SHALLOW


def test_the_models_that_are_selected_are_no_rows_either(measured: Results, tmp_path: Path) -> None:
    found = with_parts(tmp_path)
    for run in (BASELINE, SHALLOW, FINAL, BASE, ROW):
        for seed in (100, 101):
            run.model(seed).parent.mkdir(parents=True, exist_ok=True)
            run.model(seed).write_text(f"{run} {seed}")
    complete = {name: Statistic(0.5, 2) for name in ("accuracy", "f1")}
    found = replace(found, runs={run: replace(result, test=complete) for run, result in found.runs.items()})
    selected.write(found)
    summary = read_json(Path("metrics/summary.json"))
    assert {name: entry["run"] for name, entry in summary.items()} == {
        "selected": "beyond/base",
        "selected_study": "scale/shallow",
    }
    # Of each the better of two seeds.
    assert Path("models/selected.keras").read_text() == "beyond/base 101"
    assert Path("models/selected-study.keras").read_text() == "scale/shallow 101"


def test_where_nothing_can_be_selected_one_line_says_so(measured: Results) -> None:
    for group in ("baseline", "scale", "tune"):
        group_file(group).unlink()
    empty = results.read(reading.load(*SECTIONS, path=ROOT / "params.yaml"))
    assert empty.select(STUDY_GROUPS) is None
    with pytest.raises(UserError, match="no run that can be selected; 'dvc repro evaluate' makes them"):
        _ = empty.selected


def test_the_highest_mean_validation_accuracy_is_selected_and_of_equals_the_first(measured: Results) -> None:
    assert measured.selected == SHALLOW
    assert measured.select(["tune", "baseline"]) == FINAL
    assert measured.select(["baseline"]) == BASELINE


@pytest.mark.parametrize(
    ("accuracies", "best"), [((0.5, 0.6, 0.55), 101), ((0.5, 0.6, 0.6), 101), ((0.7, 0.6, 0.7), 100)]
)
def test_the_best_seed_has_the_highest_validation_accuracy_and_of_equals_is_the_first(
    accuracies: tuple[float, ...], best: int
) -> None:
    by_seed = dict(zip((100, 101, 102), accuracies, strict=True))
    assert RunResult(0, Statistic(1, 3), Statistic(1, 3), {}, {}, {}, {}, by_seed, {}, {}).best_seed == best


def test_what_is_beyond_single_runs_stands_in_the_report_beside_its_cost(measured: Results, tmp_path: Path) -> None:
    found = with_parts(tmp_path)
    assert found.together is not None
    found = replace(found, together=replace(found.together, members=["base", "row"]))
    # Two members of two seeds.
    assert "Training all seeds of all members costs 2.40e+10 multiply-adds." in "\n".join(document.together(found))
    row = next(line for line in "\n".join(document.cross_validation(found)).splitlines() if "| beyond/base" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        "0.5500 ± 0.0300",
        "5",
        "0.6000 ± 0.0100",
        "2",
        "6.00e+09",
    ]
