from typing import Any

import numpy as np
import pytest

from pipeline.networks.backend import keras, tf
from pipeline.training import optimisers
from tests.training.examples import recipe


def keras_own(**parts: Any) -> keras.optimizers.Optimizer:
    """As the papers and Keras have it: no constant of the project's."""
    decay = parts.get("weight_decay")
    if parts.get("optimiser") == "sgd":
        optimiser = keras.optimizers.SGD(0.05, momentum=parts["momentum"], nesterov=True, weight_decay=decay)
    else:
        kind = keras.optimizers.AdamW if decay else keras.optimizers.Adam
        optimiser = kind(0.05, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=decay)
    if decay:
        optimiser.exclude_from_weight_decay(var_names=["bias"])
    return optimiser


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"weight_decay": 0.1},
        {"optimiser": "sgd", "momentum": 0.85},
        {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.2},
    ],
)
def test_an_optimiser_steps_as_that_of_keras(parts: dict[str, Any]) -> None:
    random, own = np.random.default_rng(0), recipe(1, 0.05, **parts)
    initial = [random.normal(size=(6, 4)).astype(np.float32), random.normal(size=4).astype(np.float32)]
    ours = [tf.Variable(value) for value in initial]
    slots = [[tf.Variable(tf.zeros_like(weight)) for _ in range(optimisers.slots_of(own))] for weight in ours]
    theirs = [keras.Variable(value, name=name) for name, value in zip(("kernel", "bias"), initial, strict=True)]
    optimiser = keras_own(**parts)
    optimiser.build(theirs)
    for step in range(1, 8):
        # Small ones too, beside which epsilon counts.
        size = 10.0 ** -(step % 4)
        gradients = [random.normal(0, 1e-3 * size, value.shape).astype(np.float32) for value in initial]
        rate = 0.05 / step
        optimiser.learning_rate = rate
        optimiser.apply([tf.constant(gradient) for gradient in gradients], theirs)
        for weight, own_slots, gradient in zip(ours, slots, gradients, strict=True):
            number = tf.constant(float(step))
            optimisers.update(own, weight, own_slots, tf.constant(gradient), number, tf.constant(rate))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-5, atol=1e-6)


def test_the_factor_is_on_the_rate_of_biases_alone() -> None:
    own = recipe(1, 0.1, optimiser="sgd", momentum=0.0, bias_rate_factor=8.0)
    kernel, bias = tf.Variable(tf.ones((2, 2))), tf.Variable(tf.ones(2))
    for weight in (kernel, bias):
        slots = [tf.Variable(tf.zeros_like(weight))]
        optimisers.update(own, weight, slots, tf.ones_like(weight), tf.constant(1.0), tf.constant(0.1))
    assert kernel.numpy() == pytest.approx(0.9)
    assert bias.numpy() == pytest.approx(0.2)


def test_a_model_is_saved_with_the_optimiser_that_trained_it() -> None:
    nesterov = optimisers.keras_optimiser(recipe(1, 0.05, optimiser="sgd", momentum=0.85, weight_decay=0.01))
    assert (type(nesterov), nesterov.nesterov, nesterov.momentum) == (keras.optimizers.SGD, True, 0.85)
    assert nesterov.weight_decay == 0.01
    assert type(optimisers.keras_optimiser(recipe(1, 0.05))) is keras.optimizers.Adam
    assert type(optimisers.keras_optimiser(recipe(1, 0.05, weight_decay=0.1))) is keras.optimizers.AdamW
