"""The least time that an epoch can take: its products or convolutions, and Adam's traffic, at this machine's rates."""

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from benchmarks import convolutional
from benchmarks.dense import BATCH
from pipeline.networks import fast_layers
from pipeline.networks.backend import tf

VALIDATION_BATCH = 1000
CALLS = 8
REPEATS = 10
# A convolution takes so long that starting it is nothing beside it, so few calls are enough.
CONVOLUTION_CALLS = 2
CONVOLUTION_REPEATS = 3


def seconds(work: Callable[[int], Any], calls: int = CALLS, repeats: int = REPEATS) -> float:
    """The median time of ``work``, which takes the number of its call and gives a scalar.

    Each of ``repeats`` measurements is a chain of so many ``calls`` inside one graph.
    """

    def chain() -> Any:
        total = tf.constant(0.0)
        for call in range(calls):
            with tf.control_dependencies([total]):
                total += work(call)
        return total

    program = tf.function(chain, autograph=False)
    program()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        program().numpy()
        times.append(time.perf_counter() - started)
    return median(times) / calls


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


def dense_epoch(units: list[int], images: int) -> float:
    """Seconds of one float32 epoch over ``images`` images and the validation of a quarter as many."""
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


def convolutional_epoch(widths: list[int], images: int, dtype: str) -> float:
    """Seconds of the convolutions of one epoch and its validation in ``dtype``."""
    # Side of the values, channels before and after, side of the kernel.
    layers = [(32, 3, 24, 2)]
    side, before = 31, 24
    for width in widths:
        layers.append((side, before, width, 3))
        side //= 2
        layers.append((side, width, width, 3))
        before = width
    train = val = 0.0
    for number, layer in enumerate(layers):
        # The first layer is not trained, and what it gives needs no gradient.
        train += convolution(convolutional.BATCH, *layer, dtype, gradients=min(number, 2))
        val += convolution(convolutional.VALIDATION_BATCH, *layer, dtype, gradients=0)
    return images / convolutional.BATCH * train + images / 4 / convolutional.VALIDATION_BATCH * val


def convolution(batch: int, side: int, inputs: int, outputs: int, kernel: int, dtype: str, gradients: int) -> float:
    """Seconds of one convolution of (batch, side, side, inputs), and of ``gradients``: its kernel's, its input's."""
    random = np.random.default_rng(0)

    def array(*shape: int) -> Any:
        return tf.cast(tf.constant(random.random(shape, np.float32)), dtype)

    values, weights = array(batch, side, side, inputs), array(kernel, kernel, inputs, outputs)
    options: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME" if kernel == 3 else "VALID"}
    result = tf.nn.conv2d(values, weights, **options)
    # Each by all ways that are known; the fastest counts.
    works: list[list[Callable[[], Any]]] = [
        [lambda: tf.nn.conv2d(values, weights, **options)],
        [
            lambda: tf.raw_ops.Conv2DBackpropFilter(
                input=values, filter_sizes=weights.shape, out_backprop=result, **options
            ),
            lambda: fast_layers.kernel_gradient_by_products(values, result, weights.shape),
        ],
        [
            lambda: tf.raw_ops.Conv2DBackpropInput(
                input_sizes=values.shape, filter=weights, out_backprop=result, **options
            ),
            lambda: tf.nn.conv2d(result, tf.transpose(tf.reverse(weights, [0, 1]), [0, 1, 3, 2]), **options),
        ],
    ]
    return sum(min(_seconds_of_first(way) for way in ways) for ways in works[: 1 + gradients])


def _seconds_of_first(work: Callable[[], Any]) -> float:
    """The time of an operation; one number of its result is read, so that it is computed."""
    return seconds(lambda _: tf.cast(work()[0, 0, 0, 0], tf.float32), CONVOLUTION_CALLS, CONVOLUTION_REPEATS)
