import warnings
from pathlib import Path

import numpy as np
import pytest

from pipeline.networks import convolutional, dense, looks, saving
from pipeline.networks.initial_weights import initialise

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_a_saved_model_averages_its_looks(kind: str, tmp_path: Path) -> None:
    dense_network = kind == "dense"
    network = dense.build((16,), (1e-3,), (0.2,), 7) if dense_network else convolutional.build((8,), 0.2, False, 7)
    initialise(network, 100)
    if not dense_network:
        # So that looks differ: at first the logits are small.
        network.get_layer("logits").kernel.assign(9 * network.get_layer("logits").kernel)

    def answers(images: np.ndarray) -> np.ndarray:
        return np.asarray(network(images))

    def moved(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return IMAGES[:, np.abs(rows) - 2 * np.maximum(rows - 31, 0)][
            :, :, np.abs(columns) - 2 * np.maximum(columns - 31, 0)
        ]

    places = np.arange(32)
    both = {shift: moved(places + shift, places + shift) for shift in (-1, 0, 1)}
    mirrored = {shift: (answers(seen) + answers(np.flip(seen, 2))) / 2 for shift, seen in both.items()}
    expected = {
        "one": answers(IMAGES),
        "mirrored": mirrored[0],
        "mirrored-shifted": mirrored[0] / 2 + mirrored[-1] / 4 + mirrored[1] / 4,
    }
    distances = [
        np.abs(expected[first] - expected[second]).max()
        for first, second in (("one", "mirrored"), ("mirrored", "mirrored-shifted"))
    ]
    assert min(distances) > 1e-3
    for name, probabilities in expected.items():
        model = looks.averaged(network, name)
        assert (looks.network_of(model) is network) and ((model is network) == (name == "one"))
        model.compile("sgd", "sparse_categorical_crossentropy")
        saving.save(tmp_path / f"{name}.keras", model, list("abcdefg"))
        opened = saving.load(tmp_path / f"{name}.keras")
        assert opened.input_shape == (None, 32, 32, 3)
        assert opened.inputs[0].dtype == "uint8"
        np.testing.assert_allclose(opened(IMAGES), probabilities, atol=1e-6)
        np.testing.assert_allclose(looks.by_hand(answers, IMAGES, name), probabilities, atol=1e-6)
        averaging = looks.with_one_look(opened)
        assert (averaging is None) == (name == "one")
        if averaging is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                average, one = averaging(IMAGES)
            # To the last bit, so that evaluate may take them in one call.
            np.testing.assert_array_equal(average, opened(IMAGES))
            np.testing.assert_array_equal(one, looks.network_of(opened)(IMAGES))
        assert saving.class_names(tmp_path / f"{name}.keras") == list("abcdefg")
