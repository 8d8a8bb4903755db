"""The report stage on small results: whole, or not written at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

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
    Path("metrics/final-trials.csv").write_text("trial,max_epoch,val_accuracy,dropout_1\n0,8,0.5,0.1\n")
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
    assert "# Model card: tune/final" in Path("metrics/model_card.md").read_text()
    assert Path("metrics/figures/search_final.png").exists()
