"""Reported against measured: a row a run, a dot a seed, the study's figures where it reports some."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text

from pipeline.evaluation.intervals import prediction_interval
from pipeline.evaluation.statistics import Statistic
from pipeline.files.runs import Run
from pipeline.reporting import replication_plot
from pipeline.reporting.drawing import save
from pipeline.reporting.published import StudySection
from pipeline.reporting.replication_plot import INTERVAL, MEAN, REPORTED, SEEDS, Row
from pipeline.reporting.results import Results, RunResult
from tests.reporting.figures import panels, points

TWICE, ONCE, NEVER, ROW = (Run("ablation", name) for name in ("twice", "once", "never", "row"))
ACCURACIES = {TWICE: (0.50, 0.51, 0.53), ONCE: (0.31, 0.29, 0.32), NEVER: (0.7, 0.7, 0.7), ROW: (0.6, 0.65, 0.61)}
SECTIONS = [
    StudySection("a", "A", {TWICE: {"accuracy": 0.54}, ONCE: {"accuracy": 0.3, "f1": 0.2}}),
    StudySection("b", "B", {TWICE: {"accuracy": 0.52}}, repeats=True),
    StudySection("c", "C", {NEVER: {}}),
]


def measured(seeds: int = 3) -> Results:
    runs = {}
    for run, values in ACCURACIES.items():
        by_seed = dict(zip((100, 101, 102), values[:seeds], strict=False))
        one, test = Statistic(1, seeds), {"accuracy": Statistic.of(list(by_seed.values()))}
        runs[run] = RunResult(0, one, one, {}, test, {}, {}, {}, by_seed, {})
    return Results((100, 101, 102)[:seeds], runs, None, [], {"dataset": "cifar10"}, {}, {ROW: TWICE})


def test_every_run_has_one_row_with_all_that_the_study_reports_of_it() -> None:
    rows = replication_plot.rows(measured(), SECTIONS)
    assert {title: [(row.name, row.reported) for row in found] for title, found in rows.items()} == {
        "A": [("twice", [0.54, 0.52]), ("once", [0.3])],
        "C": [("never", [])],
        "Without a part": [("row", [])],
    }
    assert rows["A"][0].seeds == [0.50, 0.51, 0.53]


def test_marks_lie_where_the_figures_say() -> None:
    drawn = replication_plot.figure(replication_plot.rows(measured(), SECTIONS))
    left, right = panels(drawn)
    # Titles take a line of their own: A 0, twice 1, once 2, C 3, never 4.
    heights = {TWICE: 1, ONCE: 2, NEVER: 4, ROW: 6}
    names = dict(enumerate(label.get_text() for label in left.get_yticklabels()))
    assert {run: names[y] for run, y in heights.items()} == {run: run.name for run in heights}
    assert points(left, SEEDS) == [(value, heights[run]) for run in heights for value in ACCURACIES[run]]
    means = {run: Statistic.of(ACCURACIES[run]) for run in heights}
    assert points(left, MEAN) == [(means[run].mean, y) for run, y in heights.items()]
    assert points(left, REPORTED) == [(0.54, 1), (0.52, 1), (0.3, 2)]
    (bars,) = [collection for collection in left.collections if collection.get_label() == INTERVAL]
    spans = [(segment[0][0], segment[1][0]) for segment in bars.get_segments()]
    assert spans == [pytest.approx(prediction_interval(means[run])) for run in heights]
    # On the right the mean of what is reported is zero, and what the study has not is not there.
    assert points(right, REPORTED) == [pytest.approx((0.01, 1)), pytest.approx((-0.01, 1)), (0, 2)]
    differences = [(value - 0.53, 1) for value in ACCURACIES[TWICE]] + [(value - 0.3, 2) for value in ACCURACIES[ONCE]]
    assert points(right, SEEDS) == [pytest.approx(point) for point in differences]
    low, high = right.get_xlim()
    assert all(low < x < high for label in (SEEDS, MEAN, REPORTED) for x, _ in points(right, label))


def test_where_nothing_is_reported_nothing_is_compared() -> None:
    bare = [StudySection(section.id, section.title, {run: {} for run in section.runs}) for section in SECTIONS]
    drawn = replication_plot.figure(replication_plot.rows(measured(1), bare))
    (axes,) = panels(drawn)
    assert points(axes, REPORTED) == []
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == [SEEDS, MEAN]
    written: Any = drawn.findobj(Text)
    assert "study" not in "".join(text.get_text() for text in written)


def test_a_figure_as_reported_is_drawn_and_the_bytes_stay(tmp_path: Path) -> None:
    exact = {"A": [Row("exact", [0.5], Statistic(0.5, 1), [0.5])]}
    for name in ("one.png", "two.png"):
        save(replication_plot.figure(exact), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
