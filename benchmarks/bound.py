"""The least time that an epoch can take here: its matrix products, and Adam's traffic, at this machine's own rates."""

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from pipeline.networks.backend import tf

BATCH = 128
VALIDATION_BATCH = 1000
CALLS = 8
REPEATS = 10


def seconds(work: Callable[[int], Any]) -> float:
    """The median time of ``work``, which takes a number below CALLS and gives a scalar, in a chain inside one graph."""

    def chain() -> Any:
        total = tf.constant(0.0)
        for call in range(CALLS):
            with tf.control_dependencies([total]):
                total += work(call)
        return total

    program = tf.function(chain, autograph=False)
    program()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        program().numpy()
        times.append(time.perf_counter() - started)
    return median(times) / CALLS


def product(rows: int, inner: int, columns: int) -> float:
    """Seconds of one float32 product (rows, inner) x (inner, columns); the left factor differs from call to call."""
    random = np.random.default_rng(0)
    left = [tf.constant(random.random((rows, inner), np.float32)) for _ in range(CALLS)]
    right = tf.constant(random.random((inner, columns), np.float32))
    return seconds(lambda call: tf.matmul(left[call], right)[0, 0])


def bandwidth(numbers: int) -> float:
    """Bytes per second, read and written, where two float32 arrays of so many ``numbers`` are added."""
    array, other = tf.Variable(tf.zeros(numbers)), tf.Variable(tf.zeros(numbers))

    def add(_: int) -> Any:
        with tf.control_dependencies([array.assign_add(other, read_value=False)]):
            return tf.constant(0.0)

    return 3 * 4 * numbers / seconds(add)


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
