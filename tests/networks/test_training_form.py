from typing import Any

import numpy as np
import pytest

from pipeline.networks import convolutional, training_form
from pipeline.networks.backend import keras, tf
from pipeline.networks.draws import Draws
from pipeline.networks.fast_layers import FusedNormalisation, TurnedConvolution
from pipeline.networks.initial_weights import initialise
from pipeline.params.runs import DenseNetwork
from tests.training.examples import VAL, build


def drawn(form: keras.Model, step: int, *rates: float, images: Any = VAL.images) -> Any:
    """What ``form`` makes of ``images`` in training step ``step``."""
    draws = Draws(tf.constant([1, 2], tf.uint32), tf.constant(step), tf.constant(0))
    thresholds = tf.constant([round(rate * 2**32) for rate in rates], tf.uint32)
    with training_form.drawing(draws, thresholds, tf.constant([1 / (1 - rate) for rate in rates])):
        return form(images, training=True)


def dropped_values(rate: float, step: int) -> tuple[np.ndarray, np.ndarray]:
    """What two dropout layers, one after the other, make of ones, each (n, 4096)."""
    ones = keras.Input((4096,))
    layers = [training_form.DerivedDropout(index) for index in (0, 1)]
    both = keras.Model(ones, [layer(ones) for layer in layers])
    draws = Draws(tf.constant([1, 2], tf.uint32), tf.constant(step), tf.constant(0))
    thresholds, scales = tf.constant([round(rate * 2**32)] * 2, tf.uint32), tf.constant([1 / (1 - rate)] * 2)
    with training_form.drawing(draws, thresholds, scales):
        first, second = both(np.ones((64, 4096), np.float32), training=True)
    return np.asarray(first), np.asarray(second)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    first, second = dropped_values(rate, 0)
    assert set(np.unique(first)) == {0.0, np.float32(1 / (1 - rate))}
    assert np.mean(first == 0) == pytest.approx(rate, abs=0.005)
    assert first.mean() == pytest.approx(1, abs=0.02)
    # Of every image and every unit the same share, and no layer drops what another does.
    assert np.abs(np.mean(first == 0, axis=1) - rate).max() < 0.05
    assert np.mean((first == 0) & (second == 0)) == pytest.approx(rate**2, abs=0.005)
    later, _ = dropped_values(rate, 1)
    assert np.mean((first == 0) & (later == 0)) == pytest.approx(rate**2, abs=0.005)


def test_every_dropout_has_a_rate_of_its_own() -> None:
    ones = keras.Input((4096,))
    both = keras.Model(ones, [training_form.DerivedDropout(index)(ones) for index in (0, 1)])
    first, second = (np.asarray(values) for values in drawn(both, 0, 0.2, 0.75, images=np.ones((64, 4096), np.float32)))
    assert set(np.unique(first)) == {0.0, np.float32(1.25)}
    assert set(np.unique(second)) == {0.0, np.float32(4)}
    assert np.mean(first == 0) == pytest.approx(0.2, abs=0.005)
    assert np.mean(second == 0) == pytest.approx(0.75, abs=0.005)


def test_thresholds_and_scales_follow_from_the_rates_in_their_order() -> None:
    model = build(DenseNetwork((16, 8, 4), (0.0,) * 3, (0.25, 0.0, 0.75)))
    thresholds, scales = training_form.thresholds_and_scales(model)
    assert thresholds.numpy().tolist() == [2**30, 3 * 2**30]
    assert scales.numpy() == pytest.approx([4 / 3, 4])


def test_the_training_form_computes_what_the_model_does_before_its_softmax() -> None:
    model = build(DenseNetwork((16, 8), (1e-3, 0.0), (0.5, 0.0)))
    initialise(model, 100)
    form = training_form.logits_model(model)
    form.set_weights(model.get_weights())
    expected = keras.Model(model.inputs, model.get_layer("logits").output).predict(VAL.images, verbose=0)
    np.testing.assert_allclose(form(VAL.images, training=False), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(drawn(form, 0, 0.0), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(drawn(form, 0, 0.5), expected, atol=1e-3)


def test_dropout_stands_where_the_model_has_it() -> None:
    """After the activation: what is left of a layer is its output times the scale, or nothing."""
    model = build(DenseNetwork((16, 8), (0.0, 0.0), (0.0, 0.5)))
    initialise(model, 100)
    form = training_form.logits_model(model)
    form.set_weights(model.get_weights())
    names = [layer.name for layer in form.layers]
    assert names[-4:] == ["hidden_1", "hidden_2", "dropout_2", "logits"]
    kernel, bias = form.get_layer("logits").get_weights()
    hidden = np.asarray(keras.Model(model.inputs[0], model.get_layer("hidden_2").output)(VAL.images))
    left = np.linalg.lstsq(kernel.T, (np.asarray(drawn(form, 5, 0.5)) - bias).T, rcond=None)[0].T
    for value, output in zip(left.ravel(), hidden.ravel(), strict=True):
        assert min(abs(value), abs(value - 2 * output)) < 1e-3


def test_bfloat16_neither_scales_the_images_nor_rounds_the_logits() -> None:
    model = build(DenseNetwork((256,), (0.0,), (0.0,)))
    initialise(model, 100)
    exact, rounded = training_form.logits_model(model), training_form.logits_model(model, "mixed_bfloat16")
    for form in (exact, rounded):
        form.set_weights(model.get_weights())
    ours, theirs = np.asarray(rounded(VAL.images)), np.asarray(exact(VAL.images))
    assert ours.dtype == np.float32
    assert rounded.get_layer("hidden_1").compute_dtype == "bfloat16"
    assert np.sum(ours * theirs) / np.sum(theirs * theirs) == pytest.approx(1, abs=3e-3)
    assert not np.array_equal(ours, theirs)
    convolutional_form = training_form.logits_model(convolutional.build((8,), 0.0, True, 10), "mixed_bfloat16")
    assert convolutional_form.get_layer("rescale").compute_dtype == "float32"
    assert convolutional_form.get_layer("block_1_first").compute_dtype == "bfloat16"


def test_penalties_are_found_by_weight_and_others_are_refused() -> None:
    model = build(DenseNetwork((16, 8, 4), (1e-3, 0.0, 1e-2), (0.0, 0.0, 0.0)))
    assert training_form.penalties(model) == pytest.approx({0: 1e-3, 4: 1e-2})
    layer = keras.layers.Dense(3, kernel_regularizer="l1", name="odd")
    other = keras.Sequential([keras.Input((4,)), layer])
    with pytest.raises(ValueError, match=r"odd\.kernel_regularizer: only an L2 penalty"):
        training_form.penalties(other)


def test_convolutions_at_every_place_are_turned_and_no_others() -> None:
    form = training_form.logits_model(convolutional.build((8, 4), 0.0, True, 10))
    turned = [layer.name for layer in form.layers if isinstance(layer, TurnedConvolution)]
    assert turned == [f"block_{number}_{part}" for number in (1, 2) for part in ("first", "second")]
    image = keras.Input((8, 8, 3))
    for options in (
        {"padding": "valid"},
        {"strides": 2},
        {"use_bias": True},
        {"kernel_size": 2},
        {"activation": "relu"},
    ):
        one = {"filters": 6, "kernel_size": 3, "padding": "same", "use_bias": False, "data_format": "channels_last"}
        values = keras.layers.Conv2D(name="one", **(one | options))(image)
        logits = keras.layers.Dense(3, name="logits")(keras.layers.Flatten(data_format="channels_last")(values))
        assert type(training_form.logits_model(keras.Model(image, logits)).get_layer("one")) is keras.layers.Conv2D


def test_normalisation_by_channel_is_fused_and_no_other() -> None:
    form = training_form.logits_model(convolutional.build((8, 4), 0.0, True, 10))
    kinds = [type(layer) for layer in form.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert kinds == [FusedNormalisation] * 4
    form = training_form.logits_model(build(DenseNetwork((16, 8), (0.0,) * 2, (0.0,) * 2, normalisation=True)))
    kinds = [type(layer) for layer in form.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert kinds == [FusedNormalisation] * 2
    image = keras.Input((8, 8, 3))
    for options in ({"axis": 1}, {"synchronized": True}, {"renorm": True}):
        values = keras.layers.BatchNormalization(name="one", **options)(image)
        logits = keras.layers.Dense(3, name="logits")(keras.layers.Flatten(data_format="channels_last")(values))
        one = training_form.logits_model(keras.Model(image, logits)).get_layer("one")
        assert type(one) is keras.layers.BatchNormalization
