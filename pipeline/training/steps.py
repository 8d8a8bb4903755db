"""Training and validation, batch by batch: graphs that know weights and images but no model, so that many share one."""

import functools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.networks.backend import tf
from pipeline.params.training import Precision

# Kingma and Ba (2015); epsilon is Keras' default and not the paper's 1e-8, because the study used Keras' Adam.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

# Images in a batch of validation, where the size changes nothing but memory and speed.
VALIDATION_BATCH = 1000

# Number of unused compiled functions to keep (about 15 MB each; a search has dozens of architectures).
UNUSED_KEPT = 8


@dataclass(frozen=True)
class BatchSteps:
    """The computation of batches, for all networks of the same shapes that are regularised in the same places.

    ``shapes`` are those of the weights. ``penalised`` and ``dropped`` have an entry per dense layer: whether its kernel
    has a penalty and whether its outputs are dropped. ``strategy``, of tf.distribute: the devices, among which
    ``batch_size`` divides evenly. The other arguments of its methods are those of :class:`CompiledEpoch`.
    """

    shapes: tuple[tuple[int, ...], ...]
    penalised: tuple[bool, ...]
    dropped: tuple[bool, ...]
    batch_size: int
    precision: Precision
    xla: bool
    strategy: Any

    def train(
        self,
        weights: Sequence[Any],
        moments: Sequence[Any],
        data: tuple[Any, Any],
        order: Any,
        span: tuple[Any, Any, Any],
        seed: Any,
        learning_rate: Any,
        l2: Any,
        dropout: tuple[Any, Any],
    ) -> Any:
        """Train the batches of ``span``; return their images' sum of the loss and correct predictions.

        ``weights``: kernel, bias, kernel, ..., variables that are changed; ``moments``: two for each. ``data``: images,
        uint8 (n, 32, 32, 3), and labels, int32 (n,). ``order``: int32 (batches * batch_size,), rows of the images.
        ``span``, int32: the first batch, the one after the last, and the number of steps before this epoch. ``seed``:
        uint32 (). ``l2``: float32 (layers,). ``dropout``: thresholds, uint32, and scales, float32, both (layers,).
        """
        start, end, steps_before = span
        loss_sum, correct = tf.constant(0.0), tf.constant(0)
        for batch in tf.range(start, end):
            step = steps_before + batch
            arguments = weights, moments, data, order, batch, step, seed, learning_rate, l2, dropout
            batch_loss, batch_correct = self.strategy.run(self._train_batch, arguments)
            loss_sum += self.strategy.reduce("SUM", batch_loss, axis=None)
            correct += self.strategy.reduce("SUM", batch_correct, axis=None)
        return loss_sum, correct

    def _train_batch(
        self,
        weights: Sequence[Any],
        moments: Sequence[Any],
        data: tuple[Any, Any],
        order: Any,
        batch: Any,
        step: Any,
        seed: Any,
        learning_rate: Any,
        l2: Any,
        dropout: tuple[Any, Any],
    ) -> Any:
        """One device's share of a batch: the sum of the loss and the correct predictions; all devices change alike."""
        images, labels = data
        replica, replicas = tf.distribute.get_replica_context(), self.strategy.num_replicas_in_sync
        share = self.batch_size // replicas
        first = replica.replica_id_in_sync_group * share
        place = batch * self.batch_size + first
        # The last batch is filled up with image 0, which then counts for nothing: every batch has the same shape.
        counts = tf.cast(place + tf.range(share) < len(labels), tf.float32)
        total = tf.cast(tf.minimum(self.batch_size, len(labels) - batch * self.batch_size), tf.float32)
        rows = tf.slice(order, [place], [share])
        batch_labels = tf.gather(labels, rows)
        bits = _hash(_hash(seed) + tf.cast(step, tf.uint32))
        with tf.GradientTape() as tape:
            logits = self._logits(weights, tf.gather(images, rows), bits, dropout, first)
            cross_entropy = tf.reduce_sum(_cross_entropy(batch_labels, logits) * counts) / total
        loss_sum = cross_entropy * total + self._penalty(weights, l2) * tf.reduce_sum(counts)
        correct = _correct(batch_labels, logits, tf.cast(counts, tf.int32))
        gradients = tape.gradient(cross_entropy, weights)
        if replicas > 1:
            gradients = replica.all_reduce("SUM", gradients)
        # Without the wait, Grappler merges the additions to the loss into an AddN, which begins with a summand whose
        # memory is free at that moment: the last digit of an epoch's sum would be a matter of timing.
        with tf.control_dependencies([loss_sum]):
            self._adam(weights, moments, gradients, tf.cast(step + 1, tf.float32), learning_rate, l2)
        return loss_sum, correct

    def validate(self, weights: Sequence[Any], data: tuple[Any, Any], l2: Any) -> Any:
        """The mean loss and accuracy."""
        images, labels = data
        loss_sum, correct = tf.constant(0.0), tf.constant(0)
        for start in tf.range(0, len(labels), VALIDATION_BATCH):
            batch_labels = labels[start : start + VALIDATION_BATCH]
            logits = self._logits(weights, images[start : start + VALIDATION_BATCH])
            loss_sum += tf.reduce_sum(_cross_entropy(batch_labels, logits))
            correct += _correct(batch_labels, logits, 1)
        return loss_sum / len(labels) + self._penalty(weights, l2), correct / len(labels)

    def _logits(
        self, weights: Sequence[Any], images: Any, seed: Any = None, dropout: Any = None, first: Any = 0
    ) -> Any:
        """The logits; with ``seed`` those of training: values are dropped, and products are as precise as set.

        ``first``: the place of the first image in its batch.
        """
        training = seed is not None
        number = tf.bfloat16 if training and self.precision == "mixed_bfloat16" else tf.float32
        values = tf.cast(tf.reshape(images, (tf.shape(images)[0], weights[0].shape[0])), number)
        for layer, dropped in enumerate(self.dropped):
            kernel, bias = (tf.cast(weight, number) for weight in weights[2 * layer : 2 * layer + 2])
            values = tf.matmul(values, kernel)
            if layer == 0:
                # Scaled after the product instead of before: fewer numbers, and 0 to 255 are exact in bfloat16.
                values *= tf.constant(1 / 255, number)
            values = tf.nn.bias_add(values, bias)
            if layer < len(self.dropped) - 1:
                values = tf.nn.relu(values)
            if training and dropped:
                thresholds, scales = dropout
                values = _drop(values, thresholds[layer], scales[layer], _hash(seed + layer), first)
        return tf.cast(values, tf.float32)

    def _penalty(self, weights: Sequence[Any], l2: Any) -> Any:
        """l2 * sum(w^2) over all kernels that have a penalty.

        XLA sums an array up on one core, but adds slices to each other on all: three times faster at 3072 x 1024.
        """
        total = tf.constant(0.0)
        for layer, (kernel, penalised) in enumerate(zip(weights[::2], self.penalised, strict=True)):
            if penalised:
                slices = tf.split(kernel, math.gcd(kernel.shape[0], 16)) if self.xla else [kernel]
                total += l2[layer] * tf.reduce_sum(tf.add_n([tf.square(part) for part in slices]))
        return total

    def _adam(
        self, weights: Sequence[Any], moments: Sequence[Any], gradients: Any, step: Any, learning_rate: Any, l2: Any
    ) -> None:
        for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            layer, is_bias = divmod(index, 2)
            penalised = self.penalised[layer] and not is_bias
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=moments[2 * index].handle,
                v=moments[2 * index + 1].handle,
                beta1_power=tf.pow(BETA_1, step),
                beta2_power=tf.pow(BETA_2, step),
                lr=learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                # The penalty's gradient is known: no need to trace it back.
                grad=gradient + 2 * l2[layer] * weight if penalised else gradient,
            )


@dataclass(frozen=True)
class CompiledSteps:
    """The methods of :class:`BatchSteps` as TensorFlow's functions, traced at their first call."""

    train: Any
    validate: Any


# In the order of their latest use.
_compiled: dict[BatchSteps, CompiledSteps] = {}


def compiled(steps: BatchSteps) -> CompiledSteps:
    """The functions of ``steps``, the same ones until :func:`forget` drops them."""
    # A partial is another function each time: TensorFlow warns of one that it traces again and again.
    found = _compiled.pop(steps, None) or CompiledSteps(
        tf.function(functools.partial(BatchSteps.train, steps), jit_compile=steps.xla),
        tf.function(functools.partial(BatchSteps.validate, steps)),
    )
    _compiled[steps] = found
    return found


def forget(all_but: Collection[BatchSteps]) -> None:
    """Drop all compiled functions, except those of ``all_but`` and the few used last."""
    for steps in list(_compiled)[:-UNUSED_KEPT]:
        if steps not in all_but:
            del _compiled[steps]


def _drop(values: Any, threshold: Any, scale: Any, seed: Any, first: Any) -> Any:
    """Inverted dropout (Srivastava et al., 2014) of values (images, units); the rate is met to 2^-32.

    The bits are a hash of ``seed``, uint32 (), and a value's place in the batch: two multiplications a value, where
    TensorFlow's own generators take ten rounds, which XLA leaves to one number at a time.
    """
    places = tf.range(tf.size(values)) + first * values.shape[1]
    places = tf.reshape(tf.cast(places, tf.uint32), tf.shape(values))
    return tf.where(_hash(places + seed) >= threshold, values * tf.cast(scale, values.dtype), tf.zeros_like(values))


def _hash(words: Any) -> Any:
    """The finaliser "lowbias32" (Wellons, 2018) of uint32 ``words``: each bit of the input sways all of the output."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32)))
        words *= tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, tf.uint32)))


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _correct(labels: Any, logits: Any, counts: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.int32) * counts)
