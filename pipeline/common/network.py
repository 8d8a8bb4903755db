"""An architecture as a Keras model: raw uint8 image in, rescaled, flattened, dense, class probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.common.backend import keras
from pipeline.common.randomness import Purpose, generator

IMAGE_SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Architecture:
    """A fully connected network.

    ``units``, ``l2`` and ``dropout`` have an entry per hidden layer: its width, the factor of the penalty l2 * sum(w^2)
    on its kernel, and the fraction of its outputs that is dropped in training (0: no dropout layer).
    """

    units: tuple[int, ...] = ()
    l2: tuple[float, ...] = ()
    dropout: tuple[float, ...] = ()


def uniform(
    units: Sequence[int], l2: float = 0.0, dropout: float = 0.0, dropout_after: Literal["all"] | Sequence[int] = "all"
) -> Architecture:
    """The same penalty on every hidden layer, and the same dropout after those that ``dropout_after`` counts from 1."""
    layers = range(1, len(units) + 1)
    dropped = layers if dropout_after == "all" else dropout_after
    return Architecture(
        units=tuple(units),
        l2=tuple(l2 for _ in layers),
        dropout=tuple(dropout if layer in dropped else 0.0 for layer in layers),
    )


def build(architecture: Architecture, classes: int) -> keras.Sequential:
    """Build the model, compiled for evaluation, with weights still to be set by :func:`initialise`.

    Input: uint8 (n, 32, 32, 3). Output: float32 (n, ``classes``), probabilities. The layer before the softmax is named
    "logits"; training works on its output, where cross-entropy can be computed without overflow.
    """
    layers = [
        keras.Input(IMAGE_SHAPE, dtype="uint8", name="image"),
        keras.layers.Rescaling(1 / 255, name="rescale"),
        keras.layers.Flatten(name="flatten"),
    ]
    per_layer = zip(architecture.units, architecture.l2, architecture.dropout, strict=True)
    for index, (units, l2, dropout) in enumerate(per_layer, start=1):
        penalty = keras.regularizers.L2(l2) if l2 else None
        layers.append(keras.layers.Dense(units, "relu", kernel_regularizer=penalty, name=f"hidden_{index}"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout, seed=0, name=f"dropout_{index}"))
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
