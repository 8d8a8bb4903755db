"""Two runs compared over their seeds: Welch's t-test, Holm's correction, and the smallest difference that is found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from pipeline.evaluation.intervals import CONFIDENCE, Interval
from pipeline.evaluation.statistics import Statistic

# A difference is told from chance where its two-sided p is below this.
SIGNIFICANCE = 0.05
# How often a test should find a difference that is there.
POWER = 0.8
# Points at which the power is averaged over the ratio of two measured variances.
QUADRATURE = 200


@dataclass(frozen=True)
class Comparison:
    """The mean of the first run less that of the second, by a t-test over ``n`` seeds of each.

    ``over_seeds`` is the 95 % interval of the difference, and ``p`` how often chance alone makes one as large, to
    either side. Both are None where they cannot be computed, and ``problem`` then says why.
    """

    difference: float
    n: tuple[int, int]
    over_seeds: Interval | None = None
    p: float | None = None
    problem: str | None = None


def compare(first: Statistic, second: Statistic) -> Comparison:
    """Compare two runs by one score: seeds are not paired, and the spreads need not be equal (Welch, 1947)."""
    difference, n = first.mean - second.mean, (first.n, second.n)
    if not (first.finite and second.finite):
        return Comparison(difference, n, problem="not a number")
    if min(n) < 2:
        return Comparison(difference, n, problem="one seed")
    if first.std is None or second.std is None:
        return Comparison(difference, n, problem="no spread given")
    errors = first.std / math.sqrt(first.n), second.std / math.sqrt(second.n)
    error = math.hypot(*errors)
    if error == 0:
        return Comparison(difference, n, problem="no spread in either run")
    return _tested(difference, n, error, _freedom((errors[0] / error) ** 2, *n))


def compare_paired(differences: Statistic) -> Comparison:
    """Compare two scores that each seed's model has, by their ``differences`` over seeds: Student's paired t-test."""
    n = (differences.n, differences.n)
    if not differences.finite:
        return Comparison(differences.mean, n, problem="not a number")
    if differences.n < 2:
        return Comparison(differences.mean, n, problem="one seed")
    if not differences.std:
        return Comparison(differences.mean, n, problem="no spread of the differences")
    return _tested(differences.mean, n, differences.std / math.sqrt(differences.n), differences.n - 1)


def _tested(difference: float, n: tuple[int, int], error: float, freedom: float) -> Comparison:
    """A t-test of ``difference``, which has this standard ``error`` and so many degrees of ``freedom``."""
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return Comparison(difference, n, (difference - reach, difference + reach), p)


def _freedom(share: float, first: int, second: int) -> float:
    """Welch and Satterthwaite's degrees of freedom, where ``share`` of the variance is that of the first mean."""
    return 1 / (share**2 / (first - 1) + (1 - share) ** 2 / (second - 1))


def holm(p: Mapping[str, float], comparisons: int) -> dict[str, float]:
    """Holm's (1979) corrected p of each of ``p``, which are of as many ``comparisons`` or of fewer.

    A comparison without a p, as one that is not made yet, counts as one that told nothing. Where no difference is real,
    the chance that any corrected p is below 5 % is at most 5 %.
    """
    corrected, least = {}, 0.0
    for place, name in enumerate(sorted(p, key=lambda name: p[name])):
        least = max(least, min(1.0, (comparisons - place) * p[name]))
        corrected[name] = least
    return corrected


def smallest_difference(std: float, n: int, significance: float = SIGNIFICANCE) -> float:
    """The difference that Welch's test finds with a chance of 80 % between runs of ``n`` seeds (2 or more) and ``std``.

    The measured difference over its standard error has a noncentral t distribution with 2 (n - 1) degrees of freedom,
    and the share that one run has in the measured variance, on which Welch's critical value depends, a beta
    distribution. The two are independent, so the power is the mean over that share.
    """
    shares = stats.beta.ppf((np.arange(QUADRATURE) + 0.5) / QUADRATURE, (n - 1) / 2, (n - 1) / 2)
    critical = stats.t.isf(significance / 2, [_freedom(share, n, n) for share in shares])

    def lacking(difference: float) -> float:
        return POWER - float(stats.nct.sf(critical, 2 * (n - 1), difference * math.sqrt(n / 2)).mean())

    enough = 1.0
    while lacking(enough) > 0:
        enough *= 2
    return std * float(optimize.brentq(lacking, 0, enough))
