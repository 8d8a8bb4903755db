import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from pipeline.evaluation.intervals import compare, image_interval, prediction_interval, seed_interval
from pipeline.evaluation.statistics import Statistic


def test_the_interval_over_seeds_is_scipys_paired_t() -> None:
    first, second = np.array([0.52, 0.53, 0.515]), np.array([0.50, 0.51, 0.512])
    theirs = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert seed_interval(first - second) == pytest.approx((theirs.low, theirs.high))
    # By hand: mean, standard error and the 97.5 % point of Student's t with two degrees of freedom, 4.302653.
    difference = first - second
    half = 4.302653 * difference.std(ddof=1) / np.sqrt(3)
    assert seed_interval(difference) == pytest.approx((difference.mean() - half, difference.mean() + half), rel=1e-5)


def test_equal_differences_have_no_width() -> None:
    assert seed_interval(np.array([0.01, 0.01])) == (0.01, 0.01)


def test_the_interval_over_images_covers_like_the_normal_one() -> None:
    differences = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 5000, p=[0.1, 0.75, 0.15])
    low, high = image_interval(differences)
    half = 1.96 * differences.std(ddof=1) / np.sqrt(5000)
    assert low == pytest.approx(differences.mean() - half, abs=0.001)
    assert high == pytest.approx(differences.mean() + half, abs=0.001)
    assert image_interval(differences) == (low, high)


def right(accuracies: list[float], random: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    """For each accuracy which of a thousand images are named correctly."""
    return [random.permutation(1000) < 1000 * accuracy for accuracy in accuracies]


def test_a_difference_larger_than_the_spread_is_told_from_one_within_it() -> None:
    random = np.random.default_rng(0)
    assert compare(right([0.60, 0.61, 0.60], random), right([0.50, 0.50, 0.51], random)).verdict == "yes"
    assert compare(right([0.50, 0.51, 0.50], random), right([0.60, 0.60, 0.61], random)).verdict == "no, worse"
    within = compare(right([0.50, 0.56, 0.49], random), right([0.52, 0.51, 0.50], random))
    assert within.verdict == "within the spread"
    assert within.difference == pytest.approx(np.mean([-0.02, 0.05, -0.01]))
    assert within.n == 3


def test_one_seed_says_nothing_about_the_spread_but_something_about_the_images() -> None:
    random = np.random.default_rng(0)
    comparison = compare(right([0.6], random), right([0.5], random))
    assert comparison.over_seeds is None
    assert comparison.verdict == "unknown: one seed"
    assert comparison.over_images[0] < comparison.difference < comparison.over_images[1]


def test_images_are_paired() -> None:
    """Two models that differ on few images are told apart although each alone varies much more."""
    random = np.random.default_rng(0)
    first = right([0.5], random)
    second = [first[0] & (random.random(1000) > 0.02)]
    assert compare(first, second).over_images[0] > 0


def test_one_more_seed_lies_within_its_interval_as_often_as_promised() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.05, (4000, 4))
    hits = 0
    for *seeds, another in draws:
        low, high = prediction_interval(Statistic.of(seeds)) or (0, 0)
        hits += low <= another <= high
    assert hits / len(draws) == pytest.approx(0.95, abs=0.015)


def test_one_seed_says_nothing_of_one_more() -> None:
    assert prediction_interval(Statistic(0.5, 1)) is None
