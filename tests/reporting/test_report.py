"""The report stage on small results: whole, or not written at all."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib.text import Text

from pipeline import report
from pipeline.files.artefacts import write_array, write_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.reporting import published
from pipeline.runtime import fingerprints
from tests.conftest import ROOT
from tests.reporting.test_results import SEARCH, entry, write

NAMES = ["cat", "dog"]
RUNS = [Run("baseline", "baseline"), Run("scale", "shallow"), Run("tune", "final")]
HYPERPARAMETERS = {"layers": "1", "units_1": "8", "dropout_1": "0.1", "l2_1": "1e-05", "learning_rate": "0.001"}


def complete(accuracy: float) -> dict[str, object]:
    """What metrics/<group>.json says of a run, with all scores that the report has."""
    scores = {name: {"mean": accuracy, "std": 0.01} for name in ("accuracy", "precision", "f1", "loss")}
    return entry(accuracy) | {"val": scores, "test": scores}


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the report reads, of three runs with two seeds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fingerprints, "check", lambda stage: None)
    for name in ("REPORTED", "COMPARISONS", "ELSEWHERE"):
        monkeypatch.setattr(published, name, ROOT / getattr(published, name))
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"]["seeds"] = [100, 101]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    naive = {"naive": {"test": {"accuracy": 0.1, "f1": 0.02}}}
    search = SEARCH | {"hyperparameters": HYPERPARAMETERS, "patience": 5, "max_epochs": 9, "dropout_after": [1]}
    write("baseline", complete(0.4) | naive, "baseline")
    write("scale", {"shallow": complete(0.5)}, "shallow")
    write("tune", {"final": complete(0.6) | {"search": search}}, "final")
    Path("metrics/final-trials.csv").write_text("trial,parent,max_epoch,val_accuracy,dropout_1\n0003,,8,0.5,0.1\n")
    write_json(Path("metrics/dataset.json"), {"dataset": "digits", "lossless": None, "content_sha256": "0"})
    counts = {"counts": {split: {"cat": 3, "dog": 1} for split in ("train", "val", "test")}, "duplicates": {}}
    write_json(Path("metrics/split.json"), counts)
    write_json(Path("data/prepared/class_names.json"), NAMES)
    write_array(Path("data/prepared/train/images.npy"), np.zeros((4, 32, 32, 3), np.uint8))
    write_array(Path("data/prepared/train/labels.npy"), np.array([0, 0, 0, 1], np.uint8))
    for run in RUNS:
        write_array(Path(f"data/predictions/{run.group}/labels.npy"), np.array([0, 0, 0, 1], np.uint8))
        for seed in (100, 101):
            write_array(run.predictions(seed), np.tile(np.array([0.75, 0.25], np.float32), (4, 1)))
            write_array(run.mistakes(seed), np.zeros((1, 32, 32, 3), np.uint8))
            run.model(seed).parent.mkdir(parents=True, exist_ok=True)
            run.model(seed).write_text(str(run))


def test_the_report_is_whole_or_not_there(evaluated: None) -> None:
    def text(path: str, old: str, new: str) -> tuple[Path, Callable[[Path], object]]:
        return Path(path), lambda file: file.write_text(file.read_text().replace(old, new))

    def array(path: str, content: np.ndarray) -> tuple[Path, Callable[[Path], object]]:
        return Path(path), lambda file: write_array(file, content)

    before = {path for path in Path().rglob("*") if path.is_file()}
    for path, damage in (
        text("metrics/dataset.json", "lossless", "lossy"),
        text("metrics/split.json", "test", "tested"),
        text("metrics/tune.json", "learning_rate", "rate"),
        text("metrics/tune.json", "dropout_after", "drop"),
        text("metrics/scale.json", "f1", "f2"),
        text("metrics/tune-classes.csv", "recall", "recalled"),
        text("metrics/final-trials.csv", "0.5", "high"),
        text("data/prepared/class_names.json", '"cat"', "5"),
        text("data/prepared/class_names.json", '"cat"', '"cow", "cat"'),
        array("data/prepared/train/labels.npy", np.full(4, 2, np.uint8)),
        array("data/prepared/train/images.npy", np.zeros((4, 32, 32), np.uint8)),
        array("data/predictions/baseline/seed-101.npy", np.zeros((4, 3))),
        array("data/predictions/tune/final/seed-101-mistakes.npy", np.zeros((2, 32, 32, 3), np.uint8)),
    ):
        whole = path.read_bytes()
        damage(path)
        assert path.read_bytes() != whole
        with pytest.raises(UserError) as caught:
            report.main()
        assert len(str(caught.value).splitlines()) == 1
        assert str(caught.value).startswith((str(path), str(path.parent), "data/predictions")), str(caught.value)
        assert {found for found in Path().rglob("*") if found.is_file()} == before
        path.write_bytes(whole)
    report.main()
    assert "Data: digits" in Path("metrics/report.md").read_text()
    card = Path("metrics/model_card.md").read_text()
    assert "# Model card: tune/final" in card
    assert "trained without shifts" in card
    assert Path("metrics/figures/search_final.png").exists()


# What may be said on the images of the study alone.
OF_THE_STUDY = re.compile(r"(?<!selected-)\bstudy|\bsections? \d|reported|far better", re.IGNORECASE)


def pages() -> tuple[str, str]:
    return Path("metrics/report.md").read_text(), Path("metrics/model_card.md").read_text()


@pytest.fixture
def drawn(evaluated: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures that the stage makes, by name; they are not written."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(report, "save", lambda figure, path: found.update({path.name: figure}))
    return found


@pytest.mark.parametrize("dataset", ["digits", "folder", "cifar10"])
def test_the_pages_speak_of_the_study_only_beside_its_images(dataset: str, drawn: dict[str, Any]) -> None:
    write_json(Path("metrics/dataset.json"), {"dataset": dataset, "lossless": None, "content_sha256": "0"})
    report.main()
    page, card = pages()
    named = {
        name
        for name, figure in drawn.items()
        if OF_THE_STUDY.search(" ".join(text.get_text() for text in figure.findobj(Text)))
    }
    assert OF_THE_STUDY.search(card) is None
    if dataset == "cifar10":
        assert "### Baseline (section 7)" in page
        assert {"accuracy.png", "cost.png", "learning_curves_baseline.png"} <= named
    else:
        assert OF_THE_STUDY.search(page) is None
        assert "### Baseline\n" in page
        assert named == set()


def test_numbers_agree_with_their_nouns(drawn: dict[str, Any]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["train"]["seeds"] = [100]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for group, run in (("baseline", "baseline"), ("scale", "shallow"), ("tune", "final")):
        for kind in ("seeds", "epochs", "classes"):
            path = Path(f"metrics/{group}-{kind}.csv")
            path.write_text("".join(line for line in path.read_text().splitlines(True) if f"{run},101" not in line))
        path = Path(f"metrics/{group}.json")
        path.write_text(re.sub(r',\s*"std": [\d.]+', "", path.read_text()).replace('"n": 2', '"n": 1'))
    found = Path("metrics/tune.json")
    found.write_text(found.read_text().replace('"patience": 5', '"patience": 1'))
    report.main()
    page, card = pages()
    assert re.search(r"(?<![\d.,-])1 (?:epochs|seeds|runs|trials|steps|pixels|comparisons)\b", page + card) is None
    assert "Seed: 100." in page
    assert "1 epoch without a lower val_loss" in card
    assert "Of one seed;" in card


@pytest.mark.parametrize("best", ["final", "shallow"])
def test_the_best_by_test_is_named_only_where_it_is_another_run(best: str, drawn: dict[str, Any]) -> None:
    write_json(Path("metrics/dataset.json"), {"dataset": "cifar10", "lossless": True, "content_sha256": "0"})
    if best == "shallow":
        scores = {name: {"mean": 0.875, "std": 0.01} for name in ("accuracy", "precision", "f1")}
        write("scale", {"shallow": complete(0.5) | {"test": scores}}, "shallow")
    report.main()
    page, _ = pages()
    assert "tune/final is the best by validation (test 0.6000 ± 0.0100), and " in page
    named = "and scale/shallow by test (test 0.8750 ± 0.0100)."
    assert (named in page) == ("and by test too." not in page) == (best == "shallow")


@pytest.mark.parametrize(("dogs", "said"), [(1, "1 to 3"), (3, "3")])
def test_classes_of_equal_size_are_said_to_have_one_number_of_images(
    dogs: int, said: str, drawn: dict[str, Any]
) -> None:
    write_json(Path("metrics/dataset.json"), {"dataset": "cifar10", "lossless": True, "content_sha256": "0"})
    counts = {"counts": {split: {"cat": 3, "dog": dogs} for split in ("train", "val", "test")}, "duplicates": {}}
    write_json(Path("metrics/split.json"), counts)
    report.main()
    assert f"Here every class has {said} validation images." in pages()[0]


def test_a_run_beyond_the_study_is_selected_and_says_nothing_of_the_studys_choice(evaluated: None) -> None:
    write_json(Path("metrics/dataset.json"), {"dataset": "cifar10", "lossless": True, "content_sha256": "0"})
    run = Run("beyond", "conv-5min")
    write("beyond", {run.name: complete(0.9)}, run.name)
    write_array(Path("data/predictions/beyond/labels.npy"), np.array([0, 0, 0, 1], np.uint8))
    for seed in (100, 101):
        write_array(run.predictions(seed), np.tile(np.array([0.75, 0.25], np.float32), (4, 1)))
        write_array(run.mistakes(seed), np.zeros((1, 32, 32, 3), np.uint8))
        run.model(seed).parent.mkdir(parents=True, exist_ok=True)
        run.model(seed).write_text(str(run))
    report.main()
    page, card = pages()
    assert "Selected: **beyond/conv-5min**" in page
    assert "**tune/final**" in page
    assert "tune/final is the best by validation (test 0.6000 ± 0.0100), and by test too." in page
    assert (Path("models/selected.keras").read_text(), Path("models/selected-study.keras").read_text()) == (
        "beyond/conv-5min",
        "tune/final",
    )
    assert "A convolutional network" in card
    assert "| first layer " in card
    assert "trained without shifts" not in card


def test_the_pages_can_be_read_on_a_git_host_and_come_out_alike(evaluated: None) -> None:
    report.main()
    found = set()
    for text in pages():
        headings = re.findall(r"^(#+) ", text, re.MULTILINE)
        assert headings.count("#") == 1
        # The first is the page's title, and no other is more than one level below the one before it.
        assert headings[0] == "#"
        assert all(len(below) <= len(above) + 1 for above, below in pairwise(headings))
        for alt, target in re.findall(r"!\[(.*?)\]\((.*?)\)", text):
            assert alt
            found.add(Path("metrics", target))
        # A page of 800 pixels has room for some 110 characters, and tables are padded.
        assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 125
    assert found == set(Path("metrics/figures").iterdir())
    first = {path: path.read_bytes() for path in Path("metrics").rglob("*") if path.is_file()}
    report.main()
    assert {path: path.read_bytes() for path in Path("metrics").rglob("*") if path.is_file()} == first


def test_mistakes_say_which_is_the_label_and_which_the_answer(drawn: dict[str, Any]) -> None:
    report.main()
    titles = [axes.get_title() for axes in drawn["mistakes.png"].axes]
    assert [title for title in titles if title] == ["label: dog\nanswer: cat\nprobability 0.75"]
