"""The least time that an epoch can take here: its matrix products, and Adam's traffic, at this machine's own rates."""

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import numpy as np

from pipeline.common.backend import tf

BATCH = 128
VALIDATION_BATCH = 1000
REPEATS = 40


def seconds(work: Callable[[], object]) -> float:
    """The median time of a call, after a warm-up."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times[REPEATS // 4 :])


def product(rows: int, inner: int, columns: int) -> float:
    """Seconds of one float32 product (rows, inner) x (inner, columns)."""
    random = np.random.default_rng(0)
    left, right = (tf.constant(random.random(shape, np.float32)) for shape in ((rows, inner), (inner, columns)))
    multiply = tf.function(tf.matmul)
    return seconds(lambda: multiply(left, right))


def bandwidth(numbers: int) -> float:
    """Bytes per second, read and written, where two float32 arrays of so many ``numbers`` are added."""
    array, other = tf.Variable(tf.zeros(numbers)), tf.Variable(tf.zeros(numbers))
    step = tf.function(lambda: array.assign_add(other))
    return 3 * 4 * numbers / seconds(step)


def epoch(units: list[int], images: int) -> float:
    """Seconds of one epoch over ``images`` images and the validation of a quarter as many."""
    sizes = [3072, *units, 10]
    weights = sum(a * b + b for a, b in pairwise(sizes))
    train = val = 0.0
    for layer, (a, b) in enumerate(pairwise(sizes)):
        train += product(BATCH, a, b) + product(a, BATCH, b)
        # The images have no gradient.
        train += product(BATCH, b, a) if layer else 0.0
        val += product(VALIDATION_BATCH, a, b)
    steps = images / BATCH
    # Adam reads weights, gradients and two moments, and writes all but the gradients.
    adam = 7 * 4 * weights / bandwidth(2 * weights)
    return steps * (train + adam) + images / 4 / VALIDATION_BATCH * val
