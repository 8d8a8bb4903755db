"""What training a network costs, counted from its layers."""

import math

from pipeline.networks.backend import keras


def forward(model: keras.Model) -> int:
    """Multiplications with addition that one image costs on its way through ``model``, in layers with a kernel."""
    return sum(_products(layer) for layer in _layers(model))


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with addition that one image costs in training, forward and backward, in layers with a kernel.

    Backward, such a layer multiplies once for the gradient of its kernel, if that is trained, and once for that of its
    input, if anything before it is trained.
    """
    total, trained_before = 0, False
    for layer in _layers(model):
        total += _products(layer) * (1 + layer.trainable + trained_before)
        trained_before = trained_before or layer.trainable
    return total


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


def _products(layer: keras.layers.Layer) -> int:
    """Every number of the kernel is used once at each place of the output."""
    return int(math.prod((*layer.kernel.shape, *layer.output.shape[1:-1])))
