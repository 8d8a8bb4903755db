"""Two runs compared: Welch's test beside scipy's, Holm's correction by a worked example, power by simulation."""

import warnings

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.comparison import Comparison, compare, compare_paired, holm, smallest_difference
from pipeline.evaluation.statistics import Statistic

# Study A's L2 1e-5 and, with a much smaller spread, L2 1e-4.
FIRST, SECOND = [0.5101, 0.4999, 0.5044], [0.5015, 0.5022, 0.5009]


@pytest.mark.parametrize(
    ("first", "second"),
    [(FIRST, SECOND), (SECOND, FIRST), ([0.6, 0.61], [0.5, 0.52, 0.47, 0.51]), ([0.4, 0.41, 0.39], [0.1, 0.1, 0.1])],
)
def test_interval_and_p_are_scipys_welch(first: list[float], second: list[float]) -> None:
    with warnings.catch_warnings():
        # scipy warns of a run without any spread, of which the last pair has one.
        warnings.simplefilter("ignore", RuntimeWarning)
        theirs = stats.ttest_ind(first, second, equal_var=False)
        bounds = theirs.confidence_interval(0.95)
    ours = compare(Statistic.of(first), Statistic.of(second))
    assert ours.difference == pytest.approx(np.mean(first) - np.mean(second))
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.over_seeds == pytest.approx((bounds.low, bounds.high))
    assert (ours.n, ours.problem) == ((len(first), len(second)), None)


def test_welch_by_hand() -> None:
    """Equal spreads of three seeds each: four degrees of freedom, whose 97.5 % point is 2.776445."""
    ours = compare(Statistic(0.6, 3, 0.01), Statistic(0.5, 3, 0.01))
    assert ours.over_seeds == pytest.approx((0.1 - 2.776445 * 0.0081650, 0.1 + 2.776445 * 0.0081650), rel=1e-5)
    # One run alone has a spread: two degrees of freedom, whose 97.5 % point is 4.302653.
    alone = compare(Statistic(0.6, 3, 0.01), Statistic(0.5, 3, 0.0))
    assert alone.over_seeds == pytest.approx((0.1 - 4.302653 * 0.0057735, 0.1 + 4.302653 * 0.0057735), rel=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (Statistic(0.6, 1), Statistic(0.5, 3, 0.01), "one seed"),
        (Statistic(0.6, 3, 0.01), Statistic(0.5, 1), "one seed"),
        (Statistic(0.6, 1, 0.01), Statistic(0.5, 3, 0.01), "one seed"),
        (Statistic(0.6, 3), Statistic(0.5, 3, 0.01), "no spread given"),
        (Statistic(0.6, 3, 0.0), Statistic(0.5, 3, 0.0), "no spread in either run"),
        (Statistic(0.5, 3, 0.0), Statistic(0.5, 3, 0.0), "no spread in either run"),
        (Statistic(float("nan"), 3, 0.01), Statistic(0.5, 3, 0.01), "not a number"),
        (Statistic(0.6, 3, 0.01), Statistic(0.5, 3, float("inf")), "not a number"),
    ],
)
def test_what_cannot_be_computed_is_named_and_is_no_nan(first: Statistic, second: Statistic, problem: str) -> None:
    ours = compare(first, second)
    assert ours == Comparison(ours.difference, (first.n, second.n), None, None, problem)


@pytest.mark.parametrize("tiny", [1e-12, 1e-200])
def test_a_tiny_spread_is_one(tiny: float) -> None:
    ours = compare(Statistic(0.6, 3, tiny), Statistic(0.6, 3, tiny))
    assert ours.p == 1
    assert ours.over_seeds == pytest.approx(
        (-2.776445 * tiny * (2 / 3) ** 0.5, 2.776445 * tiny * (2 / 3) ** 0.5), rel=1e-5
    )


def test_seeds_are_not_paired() -> None:
    """What two runs have in common by seed is no part of the statistics: the order of the seeds does not count."""
    paired = compare(Statistic.of([0.50, 0.52, 0.54]), Statistic.of([0.49, 0.51, 0.53]))
    assert paired == compare(Statistic.of([0.54, 0.50, 0.52]), Statistic.of([0.49, 0.51, 0.53]))
    # Paired, the difference is 0.01 without any spread.
    assert paired.p == pytest.approx(0.5734, abs=1e-4)


def test_paired_interval_and_p_are_scipys() -> None:
    differences = [first - second for first, second in zip(FIRST, SECOND, strict=True)]
    theirs = stats.ttest_rel(FIRST, SECOND)
    ours = compare_paired(Statistic.of(differences))
    assert ours.difference == pytest.approx(np.mean(differences))
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.over_seeds == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert (ours.n, ours.problem) == ((3, 3), None)


@pytest.mark.parametrize(
    ("differences", "problem"),
    [
        (Statistic(0.1, 1), "one seed"),
        (Statistic(0.1, 3, 0.0), "no spread of the differences"),
        (Statistic(float("nan"), 3, 0.1), "not a number"),
    ],
)
def test_pairs_without_a_spread_are_named_and_are_no_nan(differences: Statistic, problem: str) -> None:
    ours = compare_paired(differences)
    assert ours == Comparison(ours.difference, (differences.n, differences.n), None, None, problem)


def test_the_test_keeps_its_promise_where_nothing_differs() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.003, (4000, 2, 3))
    found = [compare(Statistic.of(list(first)), Statistic.of(list(second))) for first, second in draws]
    assert np.mean([(c.p or 0) < 0.05 for c in found]) < 0.06
    inside = [low <= 0 <= high for low, high in (c.over_seeds or (0, 0) for c in found)]
    assert np.mean(inside) > 0.94


def test_holms_correction_is_that_of_a_worked_example() -> None:
    """Four tests: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not be below the one before it."""
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    assert holm(p, 4) == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.5, "b": 0.6}, 2) == pytest.approx({"a": 1, "b": 1})
    assert holm({}, 4) == {}


def test_a_declared_comparison_that_was_not_made_counts_as_one_that_told_nothing() -> None:
    assert holm({"a": 0.01, "b": 0.04}, 4) == pytest.approx({"a": 0.04, "b": 0.12})
    made = holm({"a": 0.01, "b": 0.04, "c": 1.0, "d": 1.0}, 4)
    assert {name: made[name] for name in "ab"} == pytest.approx({"a": 0.04, "b": 0.12})


def test_one_of_many_comparisons_without_a_difference_is_told_apart_as_seldom_as_promised() -> None:
    draws = np.random.default_rng(0).uniform(size=(4000, 18))
    wrong = [min(holm(dict(enumerate_names(p)), 18).values()) < 0.05 for p in draws]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.01)


def enumerate_names(p: np.ndarray) -> list[tuple[str, float]]:
    return [(str(place), float(value)) for place, value in enumerate(p)]


@pytest.mark.parametrize(("n", "significance"), [(2, 0.05), (3, 0.05), (3, 0.05 / 18), (5, 0.05)])
def test_the_smallest_difference_is_found_in_four_of_five_simulated_studies(n: int, significance: float) -> None:
    difference = smallest_difference(0.003, n, significance)
    random = np.random.default_rng(0)
    first, second = random.normal(0.5 + difference, 0.003, (20_000, n)), random.normal(0.5, 0.003, (20_000, n))
    found = stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue < significance
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_the_smallest_difference_grows_with_the_spread_and_falls_with_the_seeds() -> None:
    assert smallest_difference(0.006, 3) == pytest.approx(2 * smallest_difference(0.003, 3))
    falling = [smallest_difference(1, n) for n in (2, 3, 5, 10, 30, 100)]
    assert falling == sorted(falling, reverse=True)
    # With many seeds, the normal approximation: (1.96 + 0.8416) times the root of 2 / n.
    assert falling[-1] == pytest.approx(2.8016 * (2 / 100) ** 0.5, rel=0.02)
