"""What the study reports beside what was measured: the accuracies that differ, and the differences that it reports."""

import pytest

from pipeline.evaluation.statistics import Statistic
from pipeline.files.runs import Run
from pipeline.reporting.published import StudySection
from pipeline.reporting.replication import differing_accuracies, reported_differences
from pipeline.reporting.results import Results, RunResult

A, B, C = (Run("ablation", name) for name in "abc")


def measured(**accuracies: list[float]) -> Results:
    """The results of runs with these test accuracies, one per seed."""
    tested = {name: {"accuracy": Statistic.of(values)} for name, values in accuracies.items()}
    one = Statistic(1, 1)
    runs = {
        Run("ablation", name): RunResult(0, one, one, {}, test, {}, {}, {}, {}, {}) for name, test in tested.items()
    }
    return Results((100, 101, 102), runs, naive=None, missing=[], dataset={}, split={})


def test_accuracies_that_differ_are_named_with_what_one_more_seed_would_give_and_all_are_counted() -> None:
    section = StudySection("a", "Study A", {A: {"accuracy": 0.51}, B: {"accuracy": 0.56}, C: {}})
    text = differing_accuracies([section], measured(a=[0.50, 0.51, 0.52], b=[0.50, 0.51, 0.52], c=[0.1, 0.2, 0.3]))
    assert "Study A, b: 0.5100 ± 0.0100, reported 0.5600; one more seed: 0.4603 to 0.5597." in text
    assert "Study A, a" not in text
    assert "Of the 2 rows" in text
    assert ", 1 have" in text


def test_one_seed_tells_the_difference_and_nothing_of_the_spread() -> None:
    section = StudySection("a", "Study A", {A: {"accuracy": 0.51}, B: {"accuracy": 0.56}})
    text = differing_accuracies([section], measured(a=[0.51], b=[0.51]))
    assert text == "- Study A, b: 0.5100, reported 0.5600."
    assert differing_accuracies([StudySection("a", "Study A", {A: {"accuracy": 0.51}})], measured(a=[0.51])) == "None."


def test_seeds_that_agree_leave_room_for_no_other() -> None:
    section = StudySection("a", "Study A", {A: {"accuracy": 0.1}})
    assert ", 1 have" in differing_accuracies([section], measured(a=[0.1, 0.1, 0.1]))
    assert ", 0 have" in differing_accuracies([section], measured(a=[0.105, 0.105, 0.105]))


def test_a_run_that_the_study_trained_twice_counts_with_its_mean() -> None:
    sections = [
        StudySection("study_a", "A", {A: {"accuracy": 0.50}, B: {"accuracy": 0.52}}),
        StudySection("study_b", "B", {A: {"accuracy": 0.53}, B: {"accuracy": 0.51}, C: {}}),
    ]
    differences = reported_differences(sections, {"A?": (A, B), "unreported": (A, C)})
    assert differences == {"A?": pytest.approx(0)}
    assert reported_differences(sections[:1], {"A?": (A, B)}) == {"A?": pytest.approx(-0.02)}
