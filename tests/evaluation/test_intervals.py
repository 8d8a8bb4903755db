import numpy as np
import pytest

from pipeline.evaluation.intervals import image_interval, prediction_interval
from pipeline.evaluation.statistics import Statistic


def test_the_interval_over_images_covers_like_the_normal_one() -> None:
    differences = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 5000, p=[0.1, 0.75, 0.15])
    low, high = image_interval(differences)
    half = 1.96 * differences.std(ddof=1) / np.sqrt(5000)
    assert low == pytest.approx(differences.mean() - half, abs=0.001)
    assert high == pytest.approx(differences.mean() + half, abs=0.001)
    assert image_interval(differences) == (low, high)


def test_images_are_paired() -> None:
    """Two models that differ on few images are told apart although each alone varies much more."""
    random = np.random.default_rng(0)
    first = random.permutation(1000) < 500
    second = first & (random.random(1000) > 0.02)
    assert image_interval(first.astype(float) - second)[0] > 0


def test_one_more_seed_lies_within_its_interval_as_often_as_promised() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.05, (4000, 4))
    hits = 0
    for *seeds, another in draws:
        low, high = prediction_interval(Statistic.of(seeds)) or (0, 0)
        hits += low <= another <= high
    assert hits / len(draws) == pytest.approx(0.95, abs=0.015)


def test_one_seed_says_nothing_of_one_more() -> None:
    assert prediction_interval(Statistic(0.5, 1)) is None
