"""A score over seeds: mean, standard deviation and number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistic:
    """Mean, standard deviation (ddof 1; None for one value) and number of the values of one score, one per seed."""

    mean: float
    n: int
    std: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Statistic":
        """The statistic of at least one value."""
        # Of equal values exactly 0: their mean may be rounded, which would leave a little.
        std = None if len(values) < 2 else 0.0 if np.ptp(values) == 0 else float(np.std(values, ddof=1))
        return cls(float(np.mean(values)), len(values), std)

    @classmethod
    def from_json(cls, entry: Mapping[str, float], n: int) -> "Statistic":
        """The inverse of :meth:`as_json`."""
        return cls(entry["mean"], n, entry.get("std"))

    def as_json(self) -> dict[str, float]:
        """What a metrics file holds: no ``n``, which a run has once, and no ``std`` where there is none."""
        return {"mean": self.mean} | ({} if self.std is None else {"std": self.std})

    @property
    def finite(self) -> bool:
        """Whether mean and deviation are numbers."""
        return math.isfinite(self.mean) and (self.std is None or math.isfinite(self.std))

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {self.std:.4f}"
        return f"{self.mean:.4f}{spread}"


Statistics = Mapping[str, Statistic]


def over_seeds(scores: Sequence[Mapping[str, float]]) -> dict[str, Statistic]:
    """The statistic of each score of ``scores``, which has a mapping of the same names for every seed."""
    return {name: Statistic.of([seed[name] for seed in scores]) for name in scores[0]}
