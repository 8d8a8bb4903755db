import numpy as np
import numpy.typing as npt

from pipeline.networks import convolutional
from pipeline.networks.backend import keras
from pipeline.networks.initial_weights import initialise

RANDOM = np.random.default_rng(0)
# Neighbours that are alike, and channels of different size, as in photographs.
BLOCKS = RANDOM.integers(0, 256, (200, 16, 16, 3)).repeat(2, axis=1).repeat(2, axis=2) * [1.0, 0.6, 0.3]
IMAGES = np.clip(BLOCKS + RANDOM.normal(0, 12, BLOCKS.shape), 0, 255).astype(np.uint8)


def test_a_block_convolves_halves_and_normalises() -> None:
    model = convolutional.build((8, 16), 0.25, True, 7)
    names = [layer.name for layer in model.layers]
    block = ["first", "highest", "first_normalisation", "first_activation"]
    block += ["second", "second_normalisation", "second_activation"]
    blocks = [f"block_{number}_{part}" for number in (1, 2) for part in block]
    begin = ["image", "rescale", "patches", "patches_activation"]
    assert names == [*begin, *blocks, "highest", "dropout", "scale", "logits", "probabilities"]
    shapes = [model.get_layer(f"block_{number}_second_activation").output.shape[1:] for number in (1, 2)]
    assert model.get_layer("patches").output.shape[1:] == (31, 31, 24)
    assert shapes == [(15, 15, 8), (7, 7, 16)]
    assert model.output_shape == (None, 7)
    activations = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    assert {layer.activation.__name__ for layer in activations} == {"relu"}
    assert model.get_layer("dropout").rate == 0.25
    assert not model.get_layer("patches").trainable
    assert convolutional.build((8,), 0.0, False, 7).get_layer("patches").trainable


def convolved(values: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Images (n, height, width, channels) by a kernel (size, size, channels, others), without a border."""
    size = len(kernel)
    height, width = (side - size + 1 for side in values.shape[1:3])
    parts = [
        values[:, down : down + height, right : right + width] @ kernel[down, right]
        for down in range(size)
        for right in range(size)
    ]
    result: npt.NDArray[np.float64] = np.sum(parts, axis=0)
    return result


def test_probabilities_are_those_computed_by_numpy() -> None:
    model = convolutional.build((5, 6), 0.5, False, 7)
    random = np.random.default_rng(1)
    weights = [random.normal(0, 0.5, weight.shape) for weight in model.weights]
    for place, weight in enumerate(model.weights):
        if weight.path.endswith("moving_variance"):
            weights[place] = random.uniform(0.5, 2, weight.shape)
    model.set_weights(weights)
    by_path = {variable.path: value for variable, value in zip(model.weights, weights, strict=True)}
    values = np.maximum(convolved(IMAGES[:3] / 255, by_path["patches/kernel"]) + by_path["patches/bias"], 0)
    for name in ("block_1_first", "block_1_second", "block_2_first", "block_2_second"):
        values = convolved(np.pad(values, [(0, 0), (1, 1), (1, 1), (0, 0)]), by_path[f"{name}/kernel"])
        if name.endswith("first"):
            side = values.shape[1] // 2
            values = values[:, : 2 * side, : 2 * side].reshape(3, side, 2, side, 2, -1).max(axis=(2, 4))
        mean, variance, offset = (
            by_path[f"{name}_normalisation/{part}"] for part in ("moving_mean", "moving_variance", "beta")
        )
        values = np.maximum((values - mean) / np.sqrt(variance + 1e-5) + offset, 0)
    logits = values.max(axis=(1, 2)) / 9 @ by_path["logits/kernel"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model(IMAGES[:3], training=False), powers / powers.sum(1, keepdims=True), atol=1e-4)


def test_the_normalisation_forgets_as_published() -> None:
    model = convolutional.build((5,), 0.0, True, 7)
    kinds = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.momentum for layer in kinds] == [0.6, 0.6]


def test_whitened_patches_are_white_and_come_with_their_opposites() -> None:
    model = convolutional.build((8,), 0.0, True, 10)
    convolutional.whiten(model, IMAGES)
    initialise(model, 100)
    first = keras.Model(model.inputs[0], model.get_layer("patches").output)
    values = np.asarray(first(IMAGES)).reshape(-1, 24).astype(np.float64)
    np.testing.assert_allclose(values[:, 12:], -values[:, :12], atol=1e-4)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-4)
    covariance = np.cov(values[:, :12].T, bias=True)
    variances = np.diag(covariance)
    np.testing.assert_allclose(covariance - np.diag(variances), 0, atol=1e-3)
    # One, but for what is added to small variances.
    patches = np.lib.stride_tricks.sliding_window_view(IMAGES / 255, (2, 2), axis=(1, 2)).reshape(-1, 12)
    before = np.linalg.eigvalsh(np.cov(patches.T, bias=True))
    np.testing.assert_allclose(np.sort(variances), before / (before + 5e-4), atol=1e-3)


def test_whitening_is_the_same_for_the_same_images_and_another_for_others() -> None:
    kernels = []
    for images in (IMAGES, IMAGES, IMAGES[:100]):
        model = convolutional.build((8,), 0.0, True, 10)
        convolutional.whiten(model, images)
        kernels.append(model.get_layer("patches").get_weights()[0])
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
