"""Randomness is derived, not consumed: every use has its own stream, named by the seed, the purpose and a count.

So a run that was killed and resumed draws what an undisturbed one draws, and no two uses share their numbers.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What the numbers are for. The values are part of every result: never renumber them."""

    WEIGHTS = 1
    ORDER = 2
    STEP = 3
    TRIAL = 4
    MIXUP = 5


def generator(seed: int, purpose: Purpose, count: int) -> np.random.Generator:
    """The generator for ``purpose`` in the run of ``seed``; ``count``: of the weight, epoch, step or trial."""
    return np.random.default_rng((seed, purpose, count))
