"""What training a network costs, counted from its layers."""

import math

from pipeline.networks.backend import keras


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with addition that one image costs in training, forward and backward, in layers with a kernel.

    Backward, such a layer multiplies once for the gradient of its kernel and once for that of its input; the first one
    needs no gradient of its input.
    """
    forward: list[int] = [math.prod(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")]
    return 3 * sum(forward) - forward[0]
