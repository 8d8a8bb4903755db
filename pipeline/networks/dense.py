"""A fully connected network: raw uint8 image in, rescaled, flattened, dense layers, class probabilities out."""

from collections.abc import Sequence

import numpy as np

from pipeline.networks.backend import keras
from pipeline.networks.randomness import Purpose, generator

IMAGE_SHAPE = (32, 32, 3)


def build(units: Sequence[int], l2: Sequence[float], dropout: Sequence[float], classes: int) -> keras.Sequential:
    """Build the model, compiled for evaluation, with weights still to be set by :func:`initialise`.

    Input: uint8 (n, 32, 32, 3). Output: float32 (n, ``classes``), probabilities. The layer before the softmax is named
    "logits"; training works on its output, where cross-entropy can be computed without overflow. ``units``, ``l2`` and
    ``dropout`` have an entry per hidden layer: its width, the factor of the penalty l2 * sum(w^2) on its kernel, and
    the fraction of its outputs that is dropped in training (0: no dropout layer).
    """
    layers = [
        keras.Input(IMAGE_SHAPE, dtype="uint8", name="image"),
        keras.layers.Rescaling(1 / 255, name="rescale"),
        keras.layers.Flatten(name="flatten"),
    ]
    for index, (width, penalty, rate) in enumerate(zip(units, l2, dropout, strict=True), start=1):
        regularizer = keras.regularizers.L2(penalty) if penalty else None
        layers.append(keras.layers.Dense(width, "relu", kernel_regularizer=regularizer, name=f"hidden_{index}"))
        if rate:
            layers.append(keras.layers.Dropout(rate, seed=0, name=f"dropout_{index}"))
    layers += [keras.layers.Dense(classes, name="logits"), keras.layers.Softmax(name="probabilities")]
    model = keras.Sequential(layers, name="dense_network")
    model.compile(
        optimizer=keras.optimizers.Adam(name="adam"), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def initialise(model: keras.Sequential, seed: int) -> None:
    """Set every weight from ``seed`` alone: kernels Glorot uniform (Glorot and Bengio, 2010), biases zero."""
    for index, variable in enumerate(model.trainable_variables):
        if len(variable.shape) == 1:
            variable.assign(np.zeros(variable.shape, np.float32))
        else:
            limit = np.sqrt(6 / sum(variable.shape))
            uniform = generator(seed, Purpose.WEIGHTS, index).uniform
            variable.assign(uniform(-limit, limit, variable.shape).astype(np.float32))
