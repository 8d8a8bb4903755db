"""One epoch as one compiled program, with the images resident on the device.

Against Keras' ``fit`` this saves the trip through Python, the copy of every batch, and much of Adam's memory traffic: a
fused kernel reads and writes weights and moments once. The program can be left and entered between batches, so that a
run can be stopped within seconds and continued as if nothing had been.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.common.backend import keras, tf
from pipeline.common.data import Part
from pipeline.common.randomness import Purpose, generator

Precision = Literal["float32", "mixed_bfloat16"]

# Kingma and Ba (2015); epsilon is Keras' default and not the paper's 1e-8, because the study used Keras' Adam.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

# Images in a batch of validation, where the size changes nothing but memory and speed.
VALIDATION_BATCH = 1000

# Weights from which XLA repays its compilation: see benchmarks/results.md.
XLA_WEIGHTS = 3_000_000

# Multiplications of weight and image in one piece of an epoch: about a second of two cores at 200 GFLOP/s.
PIECE_PRODUCTS = 3e10


@dataclass(frozen=True)
class Score:
    """Mean loss (cross-entropy in nats plus the L2 penalty) and accuracy (fraction of 1) over some images."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Position:
    """A place within an epoch: batches done, and over their images the sum of the loss and the correct predictions."""

    batches: int = 0
    loss_sum: float = 0.0
    correct: int = 0


class Program:
    """The compiled epoch of one model on one set of images.

    ``model`` is what :func:`pipeline.common.network.build` returns. With "mixed_bfloat16" the matrix products of
    training are of bfloat16 factors; weights, their gradients' sums, moments and validation stay float32. The same
    program serves one seed after another: call :meth:`reset` before each.
    """

    def __init__(
        self, model: keras.Sequential, train: Part, val: Part, batch_size: int, precision: Precision = "float32"
    ) -> None:
        self._layers = [layer for layer in model.layers if layer.name != "probabilities"]
        self._product_type = tf.bfloat16 if precision == "mixed_bfloat16" else tf.float32
        self._weights = [variable.value for variable in model.trainable_variables]
        self._l2 = [_l2_factor(variable, model) for variable in model.trainable_variables]
        self._moments = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in self._weights]
        self._train = tf.constant(train.images), tf.constant(train.labels, tf.int32)
        self._val = tf.constant(val.images), tf.constant(val.labels, tf.int32)
        self._images, self._batch_size = len(train.labels), min(batch_size, len(train.labels))
        self.batches = -(-self._images // self._batch_size)
        products = model.count_params() * self._batch_size
        self._piece = max(1, int(PIECE_PRODUCTS / products))
        xla = model.count_params() >= XLA_WEIGHTS and precision == "float32"
        self._train_piece = tf.function(self._trace_training, jit_compile=xla)
        self._validate = tf.function(self._trace_validation, jit_compile=xla)

    def reset(self) -> None:
        """Forget the optimiser's state."""
        for moments in self._moments:
            for moment in moments:
                moment.assign(tf.zeros_like(moment))

    @property
    def state(self) -> list[npt.NDArray[np.float32]]:
        """Weights and moments, in an order of their own; may be assigned."""
        return [variable.numpy() for variable in self._variables()]

    @state.setter
    def state(self, values: list[npt.NDArray[np.float32]]) -> None:
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)

    def _variables(self) -> Iterator[Any]:
        yield from self._weights
        for moments in self._moments:
            yield from moments

    def train(self, seed: int, epoch: int, learning_rate: float, start: Position) -> Iterator[Position]:
        """Train epoch number ``epoch`` (from 0) from ``start`` on, a second or so at a time.

        Yields where it has come to, at last at ``batches``. The order of the images follows from (seed, epoch) and
        dropout from (seed, step), so that an epoch does not depend on how the process came to it.
        """
        order = np.zeros(self.batches * self._batch_size, np.int32)
        order[: self._images] = generator(seed, Purpose.ORDER, epoch).permutation(self._images)
        dropout_seed = generator(seed, Purpose.DROPOUT, 0).integers(2**32, dtype=np.uint32)
        position = start
        while position.batches < self.batches:
            end = min(position.batches + self._piece, self.batches)
            loss_sum, correct = self._train_piece(
                tf.constant(order),
                tf.constant(position.batches),
                tf.constant(end),
                tf.constant(epoch * self.batches, tf.int32),
                tf.constant(dropout_seed, tf.uint32),
                tf.constant(learning_rate, tf.float32),
                tf.constant(position.loss_sum, tf.float32),
                tf.constant(position.correct, tf.int32),
            )
            position = Position(end, float(loss_sum), int(correct))
            yield position

    def score(self, position: Position) -> Score:
        """The running mean of an epoch's batches, as Keras' ``fit`` gives it."""
        return Score(position.loss_sum / self._images, position.correct / self._images)

    def validate(self) -> Score:
        """Score the model as it stands on the validation images, without dropout."""
        loss, accuracy = self._validate()
        return Score(float(loss), float(accuracy))

    def _trace_training(
        self, order: Any, start: Any, end: Any, first_step: Any, seed: Any, rate: Any, loss_sum: Any, correct: Any
    ) -> Any:
        images, labels = self._train
        places = tf.range(self._batch_size)
        for batch in tf.range(start, end):
            place = batch * self._batch_size
            # The last batch is filled up with image 0, which then counts for nothing: every batch has the same shape.
            counts = tf.cast(place + places < self._images, tf.float32)
            rows = tf.slice(order, [place], [self._batch_size])
            batch_labels = tf.gather(labels, rows)
            with tf.GradientTape() as tape:
                logits = self._logits(
                    tf.gather(images, rows), _hash(_hash(seed) + tf.cast(first_step + batch, tf.uint32))
                )
                cross_entropy = tf.reduce_sum(_cross_entropy(batch_labels, logits) * counts) / tf.reduce_sum(counts)
            loss_sum += (cross_entropy + self._penalty()) * tf.reduce_sum(counts)
            correct += _correct(batch_labels, logits, tf.cast(counts, tf.int32))
            self._adam(tape.gradient(cross_entropy, self._weights), tf.cast(first_step + batch + 1, tf.float32), rate)
        return loss_sum, correct

    def _trace_validation(self) -> Any:
        images, labels = self._val
        count = len(labels)
        loss_sum, correct = tf.constant(0.0), tf.constant(0)
        for start in range(0, count, VALIDATION_BATCH):
            batch_labels = labels[start : start + VALIDATION_BATCH]
            logits = images[start : start + VALIDATION_BATCH]
            for layer in self._layers:
                logits = layer(logits, training=False) if isinstance(layer, keras.layers.Dropout) else layer(logits)
            loss_sum += tf.reduce_sum(_cross_entropy(batch_labels, logits))
            correct += _correct(batch_labels, logits, 1)
        return loss_sum / count + self._penalty(), correct / count

    def _logits(self, images: Any, seed: Any) -> Any:
        """The logits in training: dropout follows from ``seed``, and products are as precise as set."""
        values = images
        for index, layer in enumerate(self._layers):
            if isinstance(layer, keras.layers.Dropout):
                values = _dropout(values, layer.rate, _hash(seed + index))
            elif isinstance(layer, keras.layers.Dense):
                factors = tf.cast(values, self._product_type), tf.cast(layer.kernel.value, self._product_type)
                values = layer.activation(tf.cast(tf.matmul(*factors), tf.float32) + layer.bias.value)
            else:
                values = layer(values)
        return values

    def _penalty(self) -> Any:
        """l2 * sum(w^2) over all kernels that have a penalty."""
        pairs = zip(self._weights, self._l2, strict=True)
        return tf.add_n([tf.constant(0.0), *(2 * l2 * tf.nn.l2_loss(weight) for weight, l2 in pairs if l2)])

    def _adam(self, gradients: Any, step: Any, rate: Any) -> None:
        updates = zip(self._weights, self._moments, self._l2, gradients, strict=True)
        for weight, (mean, variance), l2, gradient in updates:
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=mean.handle,
                v=variance.handle,
                beta1_power=tf.pow(BETA_1, step),
                beta2_power=tf.pow(BETA_2, step),
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                # The penalty's gradient is known: no need to trace it back.
                grad=gradient + 2 * l2 * weight if l2 else gradient,
            )


def _l2_factor(variable: keras.Variable, model: keras.Sequential) -> float:
    for layer in model.layers:
        if getattr(layer, "kernel", None) is variable and layer.kernel_regularizer is not None:
            return float(layer.kernel_regularizer.l2)
    return 0.0


def _dropout(values: Any, rate: float, seed: Any) -> Any:
    """Inverted dropout (Srivastava et al., 2014); the rate is met to 2^-32.

    The bits are a hash of ``seed``, uint32 (), and a value's place in the batch: two multiplications a value, where
    TensorFlow's own generators take ten rounds, which XLA leaves to one number at a time.
    """
    places = tf.reshape(tf.cast(tf.range(tf.size(values)), tf.uint32), tf.shape(values))
    kept = _hash(places + seed) >= round(rate * 2**32)
    return tf.where(kept, values * (1 / (1 - rate)), 0.0)


def _hash(words: Any) -> Any:
    """The finaliser "lowbias32" (Wellons, 2018) of uint32 ``words``: every bit of the input sways every one of the output."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32)))
        words *= tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, tf.uint32)))


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _correct(labels: Any, logits: Any, counts: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.int32) * counts)
