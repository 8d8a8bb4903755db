"""A fully connected network: raw uint8 image in, rescaled, flattened, dense layers, class probabilities out."""

from collections.abc import Sequence

from pipeline.networks.backend import keras

IMAGE_SHAPE = (32, 32, 3)


def build(
    units: Sequence[int], l2: Sequence[float], dropout: Sequence[float], classes: int, *, normalisation: bool = False
) -> keras.Sequential:
    """Build the model, with weights still to be set by :func:`pipeline.networks.initial_weights.initialise`.

    Input: uint8 (n, 32, 32, 3). Output: float32 (n, ``classes``), probabilities. The layer before the softmax is named
    "logits"; training works on its output, where cross-entropy can be computed without overflow. ``units``, ``l2`` and
    ``dropout`` have an entry per hidden layer: its width, the factor of the penalty l2 * sum(w^2) on its kernel, and
    the fraction of its outputs that is dropped in training (0: no dropout layer). With ``normalisation`` each hidden
    layer is normalised over the batch before its activation (Ioffe and Szegedy, 2015).
    """
    kinds = keras.layers
    layers = [
        keras.Input(IMAGE_SHAPE, dtype="uint8", name="image"),
        kinds.Rescaling(1 / 255, name="rescale"),
        kinds.Flatten(data_format="channels_last", name="flatten"),
    ]
    for index, (width, penalty, rate) in enumerate(zip(units, l2, dropout, strict=True), start=1):
        regularizer, name = keras.regularizers.L2(penalty) if penalty else None, f"hidden_{index}"
        if normalisation:
            layers += [
                # The offset of the normalisation is its bias.
                kinds.Dense(width, use_bias=False, kernel_regularizer=regularizer, name=name),
                kinds.BatchNormalization(momentum=0.9, epsilon=1e-3, name=f"{name}_normalisation"),
                kinds.Activation("relu", name=f"{name}_activation"),
            ]
        else:
            layers.append(kinds.Dense(width, "relu", kernel_regularizer=regularizer, name=name))
        if rate:
            layers.append(kinds.Dropout(rate, seed=0, name=f"dropout_{index}"))
    layers += [kinds.Dense(classes, name="logits"), kinds.Softmax(name="probabilities")]
    return keras.Sequential(layers, name="dense_network")
