"""A fully connected network: raw uint8 image in, rescaled, flattened, dense layers, class probabilities out."""

import itertools
from collections.abc import Sequence

from pipeline.networks import frequencies as lowest
from pipeline.networks.backend import keras

IMAGE_SHAPE = (32, 32, 3)


def build(
    units: Sequence[int],
    l2: Sequence[float],
    dropout: Sequence[float],
    classes: int,
    *,
    normalisation: bool = False,
    residual: bool = False,
    frequencies: int = 0,
) -> keras.Model:
    """Build the model, with weights still to be set by :func:`pipeline.networks.initial_weights.initialise`.

    Input: uint8 (n, 32, 32, 3). Output: float32 (n, ``classes``), probabilities. The layer before the softmax is named
    "logits"; training works on its output, where cross-entropy can be computed without overflow. ``units``, ``l2`` and
    ``dropout`` have an entry per hidden layer: its width, the factor of the penalty l2 * sum(w^2) on its kernel, and
    the fraction of its outputs that is dropped in training (0: no dropout layer). With ``normalisation`` each hidden
    layer is normalised over the batch before its activation (Ioffe and Szegedy, 2015). With ``residual`` each hidden
    layer as wide as the one before adds its output to that of the one before (He et al., 2016). With ``frequencies``
    the first sees so many of the lowest frequencies of the image each way, and else its pixels; the fixed layers that
    give them are set by :func:`pipeline.networks.frequencies.fix`.
    """
    kinds = keras.layers
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    hidden: list[list[keras.layers.Layer]] = []
    for index, (width, penalty, rate) in enumerate(zip(units, l2, dropout, strict=True), start=1):
        regularizer, name = keras.regularizers.L2(penalty) if penalty else None, f"hidden_{index}"
        if normalisation:
            layers = [
                # The offset of the normalisation is its bias.
                kinds.Dense(width, use_bias=False, kernel_regularizer=regularizer, name=name),
                kinds.BatchNormalization(momentum=0.9, epsilon=1e-3, name=f"{name}_normalisation"),
                kinds.Activation("relu", name=f"{name}_activation"),
            ]
        else:
            layers = [kinds.Dense(width, "relu", kernel_regularizer=regularizer, name=name)]
        hidden.append(layers + ([kinds.Dropout(rate, seed=0, name=f"dropout_{index}")] if rate else []))
    flat = [kinds.Flatten(data_format="channels_last", name="flatten")]
    seen = lowest.layers(frequencies, *IMAGE_SHAPE) if frequencies else flat
    begin = [kinds.Rescaling(1 / 255, name="rescale"), *seen]
    end = [kinds.Dense(classes, name="logits"), kinds.Softmax(name="probabilities")]
    if not residual:
        return keras.Sequential([image, *begin, *itertools.chain(*hidden), *end], name="dense_network")
    values = _through(begin, image)
    for index, (layers, before) in enumerate(zip(hidden, (None, *units), strict=False), start=1):
        given, values = values, _through(layers, values)
        if units[index - 1] == before:
            values = kinds.Add(name=f"hidden_{index}_added")([given, values])
    return keras.Model(image, _through(end, values), name="dense_network")


def _through(layers: Sequence[keras.layers.Layer], values: object) -> object:
    for layer in layers:
        values = layer(values)
    return values
