"""The weights that training begins with, from the seed alone."""

import math

import numpy as np

from pipeline.networks.backend import keras
from pipeline.networks.randomness import Purpose, generator

# By name. A batch's mean and variance are not trained, but begin here too.
_CONSTANTS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}
_MOVING = {"moving_mean": 0.0, "moving_variance": 1.0}


def initialise(model: keras.Model, seed: int) -> None:
    """Set the trained weights of ``model`` from ``seed``, and the moving averages of normalisation to 0 and 1.

    Kernels Glorot uniform (Glorot and Bengio, 2010), biases zero; batch normalisation begins as the identity. The
    first filters of a convolution whose window has a centre hand on a channel each (Jordan, 2024). Fixed kernels stay
    as they are. Raises ValueError for a trained weight of another kind.
    """
    convolutions = {id(layer.kernel) for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    for index, variable in enumerate(model.trainable_variables):
        if variable.name == "kernel":
            *window, inputs, outputs = variable.shape
            limit = np.sqrt(6 / (math.prod(window) * (inputs + outputs)))
            uniform = generator(seed, Purpose.WEIGHTS, index).uniform
            kernel = uniform(-limit, limit, variable.shape).astype(np.float32)
            if id(variable) in convolutions and all(side % 2 for side in window):
                handed_on = range(min(inputs, outputs))
                kernel[..., handed_on] = 0
                kernel[(*(side // 2 for side in window), handed_on, handed_on)] = 1
            variable.assign(kernel)
        elif variable.name in _CONSTANTS:
            variable.assign(np.full(variable.shape, _CONSTANTS[variable.name], np.float32))
        else:
            raise ValueError(f"{variable.path}: no rule for its initial value")
    for variable in model.non_trainable_variables:
        if variable.name in _MOVING:
            variable.assign(np.full(variable.shape, _MOVING[variable.name], np.float32))
