"""Intervals: of the difference between two runs' models over images, and of where one more seed would lie."""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.evaluation.statistics import Statistic

CONFIDENCE = 0.95
RESAMPLES = 2000

Interval = tuple[float, float]


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
