"""Intervals: of the difference between two runs, and of where one more seed would lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.evaluation.statistics import Statistic

CONFIDENCE = 0.95
RESAMPLES = 2000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Test accuracy of the first run less that of the second.

    ``over_seeds`` is the 95 % interval of the mean difference between runs of this kind (None for one seed), and
    ``over_images`` that of the difference between these very models on images of this kind. ``n`` counts the seeds.
    """

    difference: float
    over_seeds: Interval | None
    over_images: Interval
    n: int

    @property
    def verdict(self) -> str:
        """Whether the difference is larger than the spread over seeds."""
        if self.over_seeds is None:
            return "unknown: one seed"
        low, high = self.over_seeds
        return "yes" if low > 0 else "no, worse" if high < 0 else "within the spread"


def compare(first: Sequence[npt.NDArray[np.bool_]], second: Sequence[npt.NDArray[np.bool_]]) -> Comparison:
    """Compare two runs by which test images, bool (images,), each of their seeds names correctly.

    The same seed is at the same place of both sequences.
    """
    right = np.stack(first).astype(np.float64), np.stack(second).astype(np.float64)
    differences = right[0] - right[1]
    by_seed = differences.mean(axis=1)
    return Comparison(
        difference=float(by_seed.mean()),
        over_seeds=seed_interval(by_seed) if len(by_seed) > 1 else None,
        over_images=image_interval(differences.mean(axis=0)),
        n=len(by_seed),
    )


def seed_interval(differences: npt.NDArray[np.float64]) -> Interval:
    """Student's paired t interval of the mean of ``differences``, one per seed (at least two)."""
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    interval = stats.ttest_1samp(differences, 0.0).confidence_interval(CONFIDENCE)
    return float(interval.low), float(interval.high)


def image_interval(differences: npt.NDArray[np.float64]) -> Interval:
    """Percentile bootstrap over images (Efron, 1979) of the mean of ``differences``, one per image."""
    resampled = stats.bootstrap(
        (differences,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=100,
        rng=np.random.default_rng(0),
    )
    return float(resampled.confidence_interval.low), float(resampled.confidence_interval.high)


def prediction_interval(statistic: Statistic) -> Interval | None:
    """Where one more seed would lie with 95 % confidence; None where only one is known.

    Student's t prediction interval (Hahn and Meeker, Statistical Intervals, 1991).
    """
    if statistic.std is None:
        return None
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, statistic.n - 1))
    reach = quantile * statistic.std * math.sqrt(1 + 1 / statistic.n)
    return statistic.mean - reach, statistic.mean + reach
