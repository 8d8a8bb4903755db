import numpy as np
import pytest

from pipeline.networks import dense
from pipeline.networks.initial_weights import initialise


def test_parameters_are_counted_as_the_study_counts_them() -> None:
    assert dense.build((), (), (), 10).count_params() == 30_730


def test_every_hidden_layer_has_its_own_width_penalty_and_dropout() -> None:
    model = dense.build((16, 8, 4), (1e-3, 0.0, 1e-2), (0.0, 0.5, 0.25), 7)
    names = [layer.name for layer in model.layers]
    expected = ["rescale", "flatten", "hidden_1", "hidden_2", "dropout_2", "hidden_3", "dropout_3", "logits"]
    assert names == [*expected, "probabilities"]
    assert [model.get_layer(f"hidden_{number}").units for number in (1, 2, 3)] == [16, 8, 4]
    penalties = [model.get_layer(f"hidden_{number}").kernel_regularizer for number in (1, 2, 3)]
    assert [penalty and float(penalty.l2) for penalty in penalties] == [pytest.approx(1e-3), None, pytest.approx(1e-2)]
    assert [model.get_layer(f"dropout_{number}").rate for number in (2, 3)] == [0.5, 0.25]
    assert model.output_shape == (None, 7)


def test_there_is_an_entry_for_every_hidden_layer() -> None:
    with pytest.raises(ValueError, match="shorter"):
        dense.build((16, 8), (0.0,), (0.0, 0.0), 10)


def test_a_hidden_layer_may_be_normalised_before_its_activation() -> None:
    model = dense.build((16, 8), (1e-3, 0.0), (0.0, 0.5), 7, normalisation=True)
    names = [layer.name for layer in model.layers]
    first, second = ([f"hidden_{n}", f"hidden_{n}_normalisation", f"hidden_{n}_activation"] for n in (1, 2))
    assert names == ["rescale", "flatten", *first, *second, "dropout_2", "logits", "probabilities"]
    assert model.get_layer("hidden_1").activation.__name__ == "linear"
    assert model.get_layer("hidden_1_activation").activation.__name__ == "relu"
    normalisation = model.get_layer("hidden_1_normalisation")
    assert (normalisation.momentum, normalisation.epsilon) == (0.9, 1e-3)


def test_pixels_are_scaled_and_hidden_layers_rectified() -> None:
    model = dense.build((4,), (0.0,), (0.0,), 3)
    initialise(model, 100)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    kernel, bias, kernel_2, bias_2 = model.get_weights()
    hidden = np.maximum(0, images.reshape(5, -1) / 255 @ kernel + bias)
    scores = np.exp(hidden @ kernel_2 + bias_2)
    np.testing.assert_allclose(model(images), scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)


def test_a_residual_layer_as_wide_as_the_one_before_adds_its_output_to_that_ones() -> None:
    model = dense.build((8, 8, 4), (0.0,) * 3, (0.0,) * 3, 3, residual=True)
    initialise(model, 100)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    kernels, biases = model.get_weights()[::2], model.get_weights()[1::2]
    values = images.reshape(5, -1) / 255
    for number, (kernel, bias) in enumerate(zip(kernels[:3], biases[:3], strict=True), start=1):
        computed = np.maximum(0, values @ kernel + bias)
        values = values + computed if number == 2 else computed
    scores = np.exp(values @ kernels[3] + biases[3])
    np.testing.assert_allclose(model(images), scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)
