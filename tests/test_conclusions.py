import pytest

from pipeline.common.comparisons import Comparison
from pipeline.common.conclusions import HOLDS, NOISE, WRONG, conclusion, in_words, reported_differences
from pipeline.common.runs import Run
from pipeline.common.study import Section

A, B, C = (Run("ablation", name) for name in "abc")


def compared(low: float, high: float) -> Comparison:
    return Comparison((low + high) / 2, (low, high), (low, high), 3)


@pytest.mark.parametrize(
    ("low", "high", "reported", "expected"),
    [
        (0.01, 0.02, 0.003, HOLDS),
        (-0.02, -0.01, -0.003, HOLDS),
        (-0.01, 0.02, 0.003, NOISE),
        (0.0, 0.02, 0.003, NOISE),
        (0.01, 0.02, -0.003, WRONG),
        (-0.02, -0.01, 0.003, WRONG),
    ],
)
def test_a_conclusion_holds_only_beyond_the_spread_and_in_its_own_direction(
    low: float, high: float, reported: float, expected: str
) -> None:
    assert conclusion(compared(low, high), reported) == expected


def test_one_seed_decides_nothing() -> None:
    comparison = Comparison(0.01, None, (0.005, 0.015), 1)
    assert conclusion(comparison, 0.01) is None
    assert "none of the study's conclusions" in in_words({"first?": comparison}, {"first?": 0.01})


def test_a_run_that_the_study_trained_twice_counts_with_its_mean() -> None:
    sections = [
        Section("study_a", "A", {A: {"accuracy": 0.50}, B: {"accuracy": 0.52}}),
        Section("study_b", "B", {A: {"accuracy": 0.53}, B: {"accuracy": 0.51}, C: {}}),
    ]
    differences = reported_differences(sections, {"A?": (A, B), "unreported": (A, C)})
    assert differences == {"A?": pytest.approx(0)}
    assert reported_differences(sections[:1], {"A?": (A, B)}) == {"A?": pytest.approx(-0.02)}


def test_each_question_is_named_under_its_answer() -> None:
    comparisons = {"first?": compared(0.01, 0.02), "second?": compared(-0.01, 0.02), "third?": compared(0.01, 0.02)}
    lines = in_words(comparisons, {"first?": 0.01, "second?": 0.01}).splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["first?", "second?", "none."]
    assert "(1 of 2)" in lines[0]
