"""A convolutional network in the manner of Jordan (2024), "94% on CIFAR-10 in 3.29 seconds on a single GPU"."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.networks.backend import keras
from pipeline.networks.dense import IMAGE_SHAPE

# Side of the patches that the first layer sees; each gives a channel for every direction, and one for its opposite.
PATCH = 2
# Added to each variance: directions that hardly vary are not blown up.
EPSILON = 5e-4
# What the values before the logits are multiplied by. With larger logits at the beginning, a high rate ruins the layers
# before them.
LOGITS_SCALE = 1 / 9
# 4.8 million patches of 12 numbers: enough to estimate their covariance.
SAMPLE = 5_000


def build(widths: Sequence[int], dropout: float, whitening: bool, classes: int) -> keras.Model:
    """Build the model, with weights still to be set by :func:`pipeline.networks.initial_weights.initialise`.

    Input: uint8 (n, 32, 32, 3). Output: float32 (n, ``classes``), probabilities. After a convolution of patches of 2 by
    2 pixels, with ``whitening`` a fixed one that :func:`whiten` sets, each of the ``widths`` is a block: convolution,
    max pooling of 2 by 2, batch normalisation, ReLU, then convolution, normalisation, ReLU. ``dropout``: the fraction
    of values dropped before the logits.
    """
    layers = keras.layers
    channels = 2 * PATCH * PATCH * IMAGE_SHAPE[-1]

    def convolution(width: int, name: str) -> keras.layers.Layer:
        return layers.Conv2D(width, 3, padding="same", use_bias=False, data_format="channels_last", name=name)

    def normalised(values: object, name: str) -> object:
        # No scale: the next layer can learn it, and bias_rate_factor would apply to it.
        normalisation = layers.BatchNormalization(scale=False, momentum=0.6, epsilon=1e-5, name=f"{name}_normalisation")
        return layers.Activation("relu", name=f"{name}_activation")(normalisation(values))

    def highest(values: object, size: int, name: str) -> object:
        return layers.MaxPooling2D(size, data_format="channels_last", name=name)(values)

    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    values = layers.Rescaling(1 / 255, name="rescale")(image)
    first = layers.Conv2D(channels, PATCH, data_format="channels_last", name="patches", trainable=not whitening)
    values = layers.Activation("relu", name="patches_activation")(first(values))
    for number, width in enumerate(widths, start=1):
        name = f"block_{number}"
        values = highest(convolution(width, f"{name}_first")(values), 2, f"{name}_highest")
        values = normalised(values, f"{name}_first")
        values = normalised(convolution(width, f"{name}_second")(values), f"{name}_second")
    values = layers.GlobalMaxPooling2D(data_format="channels_last", name="highest")(values)
    if dropout:
        values = layers.Dropout(dropout, seed=0, name="dropout")(values)
    values = layers.Rescaling(LOGITS_SCALE, name="scale")(values)
    logits = layers.Dense(classes, use_bias=False, name="logits")(values)
    return keras.Model(image, layers.Softmax(name="probabilities")(logits), name="convolutional_network")


def whiten(model: keras.Model, images: npt.NDArray[np.uint8]) -> None:
    """Set the first convolution of ``model`` to the directions in which patches of ``images`` (n, 32, 32, 3) vary.

    Each direction is divided by its standard deviation, so that all vary alike, and comes with its opposite. The first
    :data:`SAMPLE` images tell the directions.
    """
    pixels = images[:SAMPLE].astype(np.float64) / 255
    height, width = pixels.shape[1] - PATCH + 1, pixels.shape[2] - PATCH + 1
    shifts = [(down, right) for down in range(PATCH) for right in range(PATCH)]
    patches = np.stack([pixels[:, down : down + height, right : right + width] for down, right in shifts], axis=3)
    patches = patches.reshape(-1, PATCH * PATCH * pixels.shape[-1])
    mean = patches.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(patches.T, bias=True))
    # An eigenvector's sign is a matter of the library: its largest part is positive here.
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), range(len(variances))])
    whitened = directions / np.sqrt(variances + EPSILON)
    kernel = np.hstack([whitened, -whitened])
    first = model.get_layer("patches")
    first.set_weights([kernel.reshape(first.kernel.shape).astype(np.float32), (-mean @ kernel).astype(np.float32)])
