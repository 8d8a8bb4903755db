from typing import Any

import numpy as np
import pytest

from pipeline.networks import fast_layers
from pipeline.networks.backend import keras, tf
from pipeline.networks.fast_layers import FusedNormalisation, TurnedConvolution


@pytest.mark.parametrize("sides", [(3, 3), (1, 5)])
def test_a_turned_convolution_has_the_gradients_of_tensorflows(sides: tuple[int, int]) -> None:
    options = {"padding": "same", "use_bias": False, "data_format": "channels_last"}
    layers = [kind(7, sides, **options) for kind in (keras.layers.Conv2D, TurnedConvolution)]
    random = np.random.default_rng(0)
    values = tf.constant(random.normal(size=(4, 9, 6, 5)), tf.float32)
    weights = tf.constant(random.normal(size=(4, 9, 6, 7)), tf.float32)
    found: list[list[Any]] = []
    for layer in layers:
        layer.build(values.shape)
        layer.set_weights(
            [random.permuted(np.linspace(-1, 1, layer.kernel.shape.num_elements())).reshape(layer.kernel.shape)]
            if not found
            else layers[0].get_weights()
        )
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = layer(values)
            loss = tf.reduce_sum(result * weights)
        found.append([result, *tape.gradient(loss, [values, layer.kernel.value])])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_products_give_the_gradient_of_a_kernel_that_tensorflow_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    values, upstream = (
        tf.cast(tf.constant(random.normal(size=(4, 9, 6, channels)), tf.float32), tf.bfloat16) for channels in (5, 7)
    )
    layer = TurnedConvolution(7, (3, 5), padding="same", use_bias=False, dtype="mixed_bfloat16")
    layer.build(values.shape)
    found = []
    for channels in (fast_layers.PRODUCT_CHANNELS, 5):
        monkeypatch.setattr(fast_layers, "PRODUCT_CHANNELS", channels)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(values) * upstream)
        found.append(np.asarray(tape.gradient(loss, layer.kernel.value)))
    theirs, ours = found
    assert not np.array_equal(ours, np.zeros_like(ours))
    # One part in 2^8 is what bfloat16 keeps.
    np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-2 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "own",
    [
        {"center": True, "scale": False},
        {"center": False, "scale": True},
        {"center": True, "scale": False, "dtype": "mixed_bfloat16"},
        {"center": True, "scale": True, "trainable": False},
    ],
)
@pytest.mark.parametrize("shape", [(4, 3, 2, 5), (24, 5)])
def test_fused_normalisation_is_kerass(own: dict[str, Any], shape: tuple[int, ...]) -> None:
    options = {"momentum": 0.6, "epsilon": 1e-3, **own}
    random = np.random.default_rng(0)
    kind_of_values = tf.bfloat16 if "dtype" in own else tf.float32
    values = tf.cast(tf.constant(random.normal(3, 2, shape), tf.float32), kind_of_values)
    upstream = tf.cast(tf.constant(random.normal(size=shape), tf.float32), kind_of_values)
    found: list[list[Any]] = []
    for kind in (keras.layers.BatchNormalization, FusedNormalisation):
        layer = kind(**options)
        layer.build(values.shape)
        layer.set_weights([np.linspace(0.5, 2, 5)] * len(layer.weights))
        before = layer(values, training=False)
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = layer(values, training=True)
            loss = tf.reduce_sum(result * upstream)
        gradients = tape.gradient(loss, [values, *(variable.value for variable in layer.trainable_variables)])
        found.append([before, result, *gradients, *layer.get_weights()])
    rounding = 1e-2 if "dtype" in own else 1e-5
    for theirs, ours in zip(*found, strict=True):
        mine, other = (np.asarray(tf.cast(value, tf.float32)) for value in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=10 * rounding, atol=rounding)
