"""Accuracy against cost: which marks there are, at which cost, and that the plot can be drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from pipeline.evaluation.statistics import Statistic
from pipeline.files.runs import Run
from pipeline.reporting import cost, published
from pipeline.reporting.cost import PUBLISHED, REPORTED, WITHOUT_A_PART, Mark
from pipeline.reporting.drawing import save
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results, RunResult

BASELINE, STOPPED, CONV, ROW = (
    *(Run("baseline", "baseline"), Run("ablation", "stopped")),
    *(Run("beyond", "conv"), Run("beyond", "row")),
)


def result(multiply_adds: float, epochs: float, accuracy: Statistic) -> RunResult:
    test = {"accuracy": accuracy}
    return RunResult(1, Statistic(multiply_adds, 2), Statistic(epochs, 2), {}, test, {}, {}, {}, {}, {})


@pytest.fixture
def results() -> Results:
    """Four runs on eight training images: 25 epochs of the baseline, where the study had another number of images."""
    runs = {
        BASELINE: result(25 * 8 * 1000, 25, Statistic(0.3, 2, 0.01)),
        STOPPED: result(1e6, 5, Statistic(0.4, 2, 0.02)),
        CONV: result(1e9, 5, Statistic(0.8, 2, 0.03)),
        ROW: result(2e9, 5, Statistic(0.7, 1)),
    }
    split = {"counts": {"train": {"cat": 5, "dog": 3}}}
    return Results((100, 101), runs, None, [], {"dataset": "cifar10-jpeg"}, split, {ROW: CONV})


SECTIONS = [
    StudySection("baseline", "Baseline", {BASELINE: {"accuracy": 0.39, "f1": 0.05}}, images_trained=600),
    # It stopped early, so that nobody knows what it cost.
    StudySection("a", "A", {STOPPED: {"accuracy": 0.41}}),
]


def test_every_run_has_a_mark_and_the_study_where_its_cost_can_be_computed(results: Results) -> None:
    ours = [
        Mark("baseline", "baseline", 200_000, 0.3, 0.01),
        Mark("ablation", "stopped", 1e6, 0.4, 0.02),
        Mark("beyond", "conv", 1e9, 0.8, 0.03),
        Mark(WITHOUT_A_PART, "row", 2e9, 0.7, None),
    ]
    marks = cost.marks(results, SECTIONS)
    assert marks[:4] == ours
    # A thousand multiply-adds an image, 600 images in all.
    assert marks[4] == Mark(REPORTED, "baseline", 600_000, 0.39)
    assert {mark.kind for mark in marks[5:]} == {PUBLISHED}
    digits = replace(results, dataset={"dataset": "digits"})
    assert cost.marks(digits, SECTIONS) == ours


def test_the_study_says_of_four_runs_how_many_images_they_were_trained_on() -> None:
    declared = [Run("baseline", "baseline"), *(Run("scale", name) for name in ("shallow", "medium", "deep"))]
    known = {
        run: section.images_trained
        for section in published.sections([*declared, STOPPED], comparable=True)
        for run in section.runs
    }
    assert known == dict.fromkeys(declared, 50 * 40_000) | {STOPPED: None}


def test_two_published_operations_are_one_multiply_add() -> None:
    written = yaml.safe_load(published.ELSEWHERE.read_text())
    entries = published.elsewhere()
    assert [entry.multiply_adds for entry in entries] == [entry["operations"] / 2 for entry in written]
    known = {entry.name: (entry.accuracy, entry.n, entry.multiply_adds) for entry in entries}
    assert known["airbench94"] == (0.9401, 1000, 1.8e14)
    convolutional = {"airbench93", "airbench94", "airbench94, Muon", "airbench95"}
    assert {entry.name for entry in entries if "Jordan" in entry.source} == convolutional
    dense = {entry.name: entry for entry in entries if "Neyshabur" in entry.source}
    assert set(known) == convolutional | dense.keys()
    for epochs, entry in zip((400, 4000, 4000), dense.values(), strict=True):
        # Forward, and backward for the weights and the values.
        assert entry.multiply_adds == pytest.approx(3 * 256e6 * 50_000 * epochs, rel=1e-2)


def test_the_report_names_what_others_published_only_beside_their_images(results: Results) -> None:
    text = "\n".join(cost.texts(results))
    assert "| airbench94 " in text
    assert "1.80e+14 |" in text
    assert "airbench" not in "\n".join(cost.texts(replace(results, dataset={"dataset": "digits"})))


def test_the_plot_is_the_same_bytes_every_time_and_every_kind_can_be_told_apart(
    results: Results, tmp_path: Path
) -> None:
    marks = cost.marks(results, SECTIONS)
    for name in ("one.png", "two.png"):
        save(cost.figure(marks), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    image = imread(tmp_path / "one.png")
    assert image.shape[1] == 800
    # In black and white, too: no two kinds share a marker and its filling.
    looks = [(style["marker"], style.get("markerfacecolor")) for style in cost._STYLES.values()]  # noqa: SLF001
    assert len(set(looks)) == len(looks)
    save(cost.figure(marks[:3]), tmp_path / "less.png")
    assert np.abs(image - imread(tmp_path / "less.png")).max() > 0
