import numpy as np
import pytest
from scipy.fft import dctn

from pipeline.networks import dense, frequencies
from pipeline.networks.backend import keras
from pipeline.networks.initial_weights import initialise
from pipeline.networks.training_form import logits_model

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)


def network(count: int) -> keras.Model:
    model = dense.build((8, 8), (0.0, 0.0), (0.0, 0.0), 3, normalisation=True, residual=True, frequencies=count)
    frequencies.fix(model)
    initialise(model, 7)
    return model


@pytest.mark.parametrize("count", [1, 12, 32])
def test_they_are_those_of_scipys_cosine_transform(count: int) -> None:
    model = network(count)
    values = keras.Model(model.inputs, model.get_layer("flatten").output)(IMAGES).numpy()
    expected = dctn(IMAGES / 255, axes=(1, 2, 3), norm="ortho")[:, :count, :count]
    assert values.shape == (200, count * count * 3)
    np.testing.assert_allclose(values, expected.transpose(0, 2, 3, 1).reshape(200, -1), atol=2e-5)


def test_they_are_normalised_over_the_batch_and_only_the_layers_after_them_learn() -> None:
    model = network(12)
    flat, normalised = (model.get_layer(name).output for name in ("flatten", "frequencies_normalisation"))
    given, values = keras.Model(model.inputs, [flat, normalised])(IMAGES, training=True)
    expected = (given - np.mean(given, axis=0)) / np.sqrt(np.var(given, axis=0) + 0.1)
    np.testing.assert_allclose(values, expected, atol=1e-3)
    names = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert names == {"hidden_1", "hidden_1_normalisation", "hidden_2", "hidden_2_normalisation", "logits"}


def test_training_in_bfloat16_sees_them_in_float32() -> None:
    """Rounded to bfloat16, the products of high frequencies would be larger than these themselves."""
    model = network(32)
    training = logits_model(model, "mixed_bfloat16")
    training.set_weights(model.get_weights())
    exact, seen = (
        keras.Model(each.inputs, each.get_layer("frequencies_down").output)(IMAGES).numpy()
        for each in (model, training)
    )
    np.testing.assert_array_equal(seen, exact)
