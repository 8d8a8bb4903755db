"""Each part of a recipe in a whole epoch, against Keras' own training or numpy."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.files.dataset import Split
from pipeline.networks import convolutional
from pipeline.networks.backend import keras
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.runs import DenseNetwork
from pipeline.training import augmentation, models
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from tests.training.examples import TRAIN, VAL, build, compiled_epoch, recipe

# Whole batches: Keras' batch normalisation would see the images that fill the last one up. With noise, because in flat
# parts rounding decides which of four equal values is the highest.
NOISE = np.random.default_rng(0).integers(0, 100, (320, 32, 32, 3))
WHOLE = TRAIN.rows(np.arange(320))
WHOLE = replace(WHOLE, images=((WHOLE.images + NOISE) // 2).astype(np.uint8))


def convolutional_model() -> keras.Model:
    model = convolutional.build((8, 16), 0.0, False, 10)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def order(epoch: int, images: Split, seed: int = 100) -> npt.NDArray[np.int64]:
    return generator(seed, Purpose.ORDER, epoch).permutation(len(images.labels))


def dense_model() -> keras.Model:
    network = DenseNetwork((48, 48), (0.0, 0.0), (0.0, 0.0), normalisation=True, residual=True, frequencies=4)
    model = models.build(network, WHOLE, 10)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# At a higher rate the places of the highest values, which rounding moves, soon decide over the convolutional loss.
@pytest.mark.parametrize(("made", "rate"), [(convolutional_model, 1e-4), (dense_model, 0.01)])
def test_a_network_trains_as_by_keras_fit_moving_averages_too(made: Callable[[], keras.Model], rate: float) -> None:
    """Batch normalisation, Nesterov momentum, decay, smoothed labels and a rate that falls step by step."""
    parts: dict[str, Any] = {"optimiser": "sgd", "momentum": 0.85, "weight_decay": 0.1, "label_smoothing": 0.2}
    own = recipe(3, rate, schedule="linear", warm_up=0.2, final_rate=0.1, **parts)
    ours, theirs = made(), made()
    epoch = CompiledEpoch(ours, DeviceDataset(WHOLE), DeviceDataset(VAL), own)
    epoch.begin(100)
    begin = ours.get_weights()
    theirs.set_weights(begin)
    optimiser = keras.optimizers.SGD(rate, momentum=0.85, nesterov=True, weight_decay=0.1)
    optimiser.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    theirs.compile(optimiser, keras.losses.CategoricalCrossentropy(label_smoothing=0.2))
    one_hot, steps = np.eye(10, dtype=np.float32)[WHOLE.labels], 30
    for number in range(3):
        *_, progress = epoch.train(100, [1.0] * number, Progress())
        losses = []
        for batch, rows in enumerate(order(number, WHOLE).reshape(10, 32)):
            step = 10 * number + batch
            share = step / 6 if step < 6 else 0.1 + 0.9 * (1 - (step - 6) / (steps - 6))
            optimiser.learning_rate = rate * share
            losses.append(theirs.train_on_batch(WHOLE.images[rows], one_hot[rows], return_dict=True)["loss"])
            theirs.reset_metrics()
        assert progress.losses == pytest.approx(losses, rel=1e-3)
    names = [variable.path for variable in ours.weights]
    assert sum("moving" in name for name in names) == 2 * sum(
        isinstance(layer, keras.layers.BatchNormalization) for layer in ours.layers
    )
    for name, mine, other, first in zip(names, epoch.weights, theirs.get_weights(), begin, strict=True):
        change = np.abs(other - first).max()
        assert change > 0 or not ours.get_layer(name.split("/")[0]).trainable, name
        np.testing.assert_allclose(mine - first, other - first, atol=0.05 * change + 1e-6, err_msg=name)
    theirs.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = theirs.evaluate(VAL.images, VAL.labels, verbose=0)
    assert epoch.validate().loss == pytest.approx(loss, rel=2e-3)
    assert epoch.validate().accuracy == pytest.approx(accuracy, abs=0.02)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_mixed_images_are_trained_towards_both_labels(smoothing: float) -> None:
    own = recipe(1, 1e-9, batch_size=330, mixup=1.0, label_smoothing=smoothing)
    model = build(DenseNetwork((16,), (0.0,), (0.0,)))
    epoch = compiled_epoch(model, own)
    epoch.begin(100)
    (progress,) = epoch.train(107, [], Progress())
    (share,) = augmentation.shares(own, 107, range(1))
    # Near one the partner hardly counts, and near a half both of a pair are the same image: the mean would not tell.
    assert 0.65 < share < 0.85
    rows = order(0, TRAIN, seed=107)
    images, labels = TRAIN.images[rows].astype(np.float32), np.eye(10)[TRAIN.labels[rows]]
    mixed = np.round(share * images + (1 - share) * images[::-1])
    targets = (1 - smoothing) * (share * labels + (1 - share) * labels[::-1]) + smoothing / 10
    probabilities = np.asarray(model(mixed.astype(np.uint8)))
    assert progress.losses[0] == pytest.approx(-np.mean(np.sum(targets * np.log(probabilities), axis=1)), rel=1e-4)
    assert progress.correct == np.sum(probabilities.argmax(axis=1) == TRAIN.labels[rows])


def test_what_is_validated_and_kept_is_the_moving_average_of_the_weights() -> None:
    """Of those that batch normalisation keeps too."""
    normalised = DenseNetwork((8,), (1e-3,), (0.0,), normalisation=True)
    plain = compiled_epoch(build(normalised), recipe(1, 1e-2), piece_products=1)
    averaging = recipe(1, 1e-2, average_every=3, average_decay=0.6)
    averaged = compiled_epoch(build(normalised), averaging)
    plain.begin(100)
    averaged.begin(100)
    average = plain.weights
    for step, _ in enumerate(plain.train(100, [], Progress()), start=1):
        if step % 3 == 0:
            # tf.train.ExponentialMovingAverage with num_updates, which counts the moves before this one.
            moves = step // 3 - 1
            decay = min(0.6, (1 + moves) / (10 + moves))
            pairs = zip(average, plain.weights, strict=True)
            average = [decay * old + (1 - decay) * new for old, new in pairs]
    *_, _ = averaged.train(100, [], Progress())
    for mine, expected, last in zip(averaged.weights, average, plain.weights, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6)
        assert not np.allclose(mine, last, atol=1e-5)
    model = build(normalised)
    model.set_weights(averaged.weights)
    loss, accuracy = model.evaluate(VAL.images, VAL.labels, verbose=0)
    assert averaged.validate().loss == pytest.approx(loss, rel=1e-5)
    assert averaged.validate().accuracy == pytest.approx(accuracy)


def test_xla_and_bfloat16_train_as_plain_float32_but_for_rounding() -> None:
    model = build(DenseNetwork((64, 32), (1e-3, 1e-3), (0.3, 0.0)))

    def losses(precision: str, **options: Any) -> list[float]:
        epoch = compiled_epoch(model, recipe(1, 1e-4, precision=precision), **options)
        assert epoch.structure.xla == bool(options)
        epoch.begin(100)
        (progress,) = epoch.train(100, [], Progress())
        return list(progress.losses)

    plain = losses("float32")
    assert losses("float32", xla_products=0) == pytest.approx(plain, rel=1e-5)
    rounded = losses("mixed_bfloat16")
    assert rounded == pytest.approx(plain, rel=0.02)
    assert rounded != pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("average_every", [0, 1])
def test_bfloat16_is_validated_as_it_is_trained(average_every: int) -> None:
    model = build(DenseNetwork((48,), (0.0,), (0.0,)))
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        epoch = compiled_epoch(model, recipe(1, 1e-4, precision=precision, average_every=average_every))
        epoch.begin(100)
        found.append(epoch.validate().loss)
    assert found[1] == pytest.approx(found[0], rel=0.01)
    assert found[1] != pytest.approx(found[0], rel=1e-6)
