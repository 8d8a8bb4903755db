"""One epoch as one compiled program, with the images resident on the device.

Against Keras' ``fit`` this saves the trip through Python, the copy of every batch, and three quarters of Adam's memory
traffic (the fused kernel reads and writes weights and moments once).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.common.backend import keras, tf
from pipeline.common.data import Part
from pipeline.common.randomness import Purpose, generator

# Kingma and Ba (2015); epsilon is Keras' default and not the paper's 1e-8, because the study used Keras' Adam.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

# Images in a batch of validation, where the size changes nothing but memory and speed.
VALIDATION_BATCH = 1000


@dataclass(frozen=True)
class Score:
    """Mean loss (cross-entropy in nats plus the L2 penalty) and accuracy (fraction of 1) over some images."""

    loss: float
    accuracy: float


class Epochs:
    """The compiled epoch of one model on one set of images.

    ``model`` is what :func:`pipeline.common.network.build` returns. Call :meth:`start` before the first epoch of each
    run: the same compiled program serves one seed after another.
    """

    def __init__(self, model: keras.Sequential, train: Part, val: Part, batch_size: int) -> None:
        self._model = model
        self._logits = keras.Model(model.inputs[0], model.get_layer("logits").output)
        self._dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
        self._weights = [variable.value for variable in model.trainable_variables]
        self._moments = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in self._weights]
        self._train = tf.constant(train.images), tf.constant(train.labels, tf.int32)
        self._val = tf.constant(val.images), tf.constant(val.labels, tf.int32)
        self._batch_size = batch_size
        self._images = len(train.labels)
        self._train_epoch = tf.function(self._trace_training)
        self._validate = tf.function(self._trace_validation)

    def start(self) -> None:
        """Forget the optimiser's state."""
        for moments in self._moments:
            for moment in moments:
                moment.assign(tf.zeros_like(moment))

    def train(self, seed: int, epoch: int, learning_rate: float) -> Score:
        """Train epoch number ``epoch`` (from 0) and return the running mean of its batches, as Keras' ``fit`` does.

        The order of the images follows from (seed, epoch) and dropout from (seed, step), so that an epoch does not
        depend on how the process came to it.
        """
        order = generator(seed, Purpose.ORDER, epoch).permutation(self._images).astype(np.int32)
        step = epoch * -(-self._images // self._batch_size)
        for index, layer in enumerate(self._dropouts):
            # Keras counts this state's second entry up by one at every batch.
            stream = generator(seed, Purpose.DROPOUT, index).integers(2**31)
            layer.seed_generator.state.assign([stream, step])
        return _score(self._train_epoch(order, tf.constant(step, tf.float32), tf.constant(learning_rate, tf.float32)))

    def validate(self) -> Score:
        """Score the model as it stands on the validation images, without dropout."""
        return _score(self._validate())

    def _trace_training(self, order: Any, step: Any, learning_rate: Any) -> Any:
        images, labels = self._train
        loss_sum, correct = tf.constant(0.0), tf.constant(0)
        for start in tf.range(0, self._images, self._batch_size):
            batch = order[start : start + self._batch_size]
            batch_labels = tf.gather(labels, batch)
            with tf.GradientTape() as tape:
                logits = self._logits(tf.gather(images, batch), training=True)
                loss = tf.reduce_mean(_cross_entropy(batch_labels, logits)) + self._penalty()
            step += 1.0
            self._adam(tape.gradient(loss, self._weights), step, learning_rate)
            loss_sum += loss * tf.cast(tf.size(batch), tf.float32)
            correct += _correct(batch_labels, logits)
        return loss_sum / self._images, correct / self._images

    def _trace_validation(self) -> Any:
        images, labels = self._val
        count = len(labels)
        loss_sum, correct = tf.constant(0.0), tf.constant(0)
        for start in tf.range(0, count, VALIDATION_BATCH):
            batch_labels = labels[start : start + VALIDATION_BATCH]
            logits = self._logits(images[start : start + VALIDATION_BATCH], training=False)
            loss_sum += tf.reduce_sum(_cross_entropy(batch_labels, logits))
            correct += _correct(batch_labels, logits)
        return loss_sum / count + self._penalty(), correct / count

    def _penalty(self) -> Any:
        return tf.add_n([tf.constant(0.0), *self._model.losses])

    def _adam(self, gradients: Any, step: Any, learning_rate: Any) -> None:
        for weight, (mean, variance), gradient in zip(self._weights, self._moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=mean.handle,
                v=variance.handle,
                beta1_power=tf.pow(BETA_1, step),
                beta2_power=tf.pow(BETA_2, step),
                lr=learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _correct(labels: Any, logits: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.int32))


def _score(result: Any) -> Score:
    loss, accuracy = result
    return Score(float(loss), float(accuracy))
