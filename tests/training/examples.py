"""A small network and small splits that several tests train on, and training without checkpoints or signals."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.files.dataset import Split
from pipeline.networks import dense
from pipeline.networks.backend import keras
from pipeline.params.recipe import Recipe
from pipeline.params.runs import DenseNetwork
from pipeline.runtime.checkpoints import Checkpoints
from pipeline.runtime.signals import StopRequest
from pipeline.training import devices
from pipeline.training.epoch import CompiledEpoch, DeviceDataset
from pipeline.training.optimisers import keras_optimiser
from pipeline.training.trainer import EpochResult, History, Trainer

# Before anything is computed in this process, as a stage does it. One thread: two processes of tests share two cores.
devices.prepare("cpu", 1)

REGULARISED = DenseNetwork((16, 8), (1e-3, 1e-2), (0.0, 0.5))
PLAIN = DenseNetwork((32,), (0.0,), (0.0,))


def learnable(count: int, seed: int) -> Split:
    """Images whose brightness tells their class, with noise: learnable, but not perfectly."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count, np.uint8)
    noise = random.normal(0, 40, (count, 32, 32, 3))
    return Split(np.clip(labels[:, None, None, None] * 25 + noise, 0, 255).astype(np.uint8), labels)


TRAIN, VAL = learnable(330, seed=0), learnable(110, seed=1)


def build(network: DenseNetwork) -> keras.Model:
    model = dense.build(network.units, network.l2, network.dropout, 10, normalisation=network.normalisation)
    model.compile(keras_optimiser(recipe(1, 1e-3)), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def recipe(epochs: int, learning_rate: float, patience: int | None = None, **parts: Any) -> Recipe:
    options: dict[str, Any] = {"batch_size": 32, "precision": "float32"} | parts
    return Recipe(epochs=epochs, learning_rate=learning_rate, patience=patience, **options)


def compiled_epoch(model: keras.Model, own: Recipe, **options: Any) -> CompiledEpoch:
    return CompiledEpoch(model, DeviceDataset(TRAIN), DeviceDataset(VAL), own, **options)


def fit(
    model: keras.Model, recipe: Recipe, seed: int, on_epoch: Callable[[EpochResult], None], **options: Any
) -> History:
    """Train ``model`` to the end and leave the weights in it that are kept."""
    trainer = Trainer(compiled_epoch(model, recipe, **options), recipe, seed, Checkpoints(None), StopRequest())
    history = trainer.run(on_epoch)
    model.set_weights(trainer.kept_weights)
    return history


def trained(network: DenseNetwork, recipe: Recipe, seed: int = 100, **options: Any) -> tuple[keras.Model, History]:
    model = build(network)
    return model, fit(model, recipe, seed, lambda epoch: None, **options)
