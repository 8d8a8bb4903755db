"""Programs that train a convolutional network, an epoch and its validation a call.

All train the same network, but for the scale of its logits, by stochastic gradient descent with Nesterov's momentum and
smoothed labels, at one rate and without augmentation, on batches of 250, as the runs of params.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.dense import Epoch, epochs_of
from benchmarks.images import splits

if TYPE_CHECKING:
    from pipeline.networks.backend import keras

BATCH = 250
VALIDATION_BATCH = 1000
LEARNING_RATE = 0.02
MOMENTUM = 0.85
SMOOTHING = 0.2


def ours(widths: list[int], images: int, precision: str) -> Epoch:
    """The pipeline's compiled epoch, one after another of one seed."""
    from pipeline.networks import convolutional
    from pipeline.params.recipe import Recipe
    from pipeline.training import devices
    from pipeline.training.epoch import CompiledEpoch, DeviceDataset

    devices.prepare("cpu", 2)
    train, val = splits(images)
    model = convolutional.build(widths, 0.0, True, 10)
    convolutional.whiten(model, train.images)
    parts = {"optimiser": "sgd", "momentum": MOMENTUM, "label_smoothing": SMOOTHING}
    recipe = Recipe(50, BATCH, precision, LEARNING_RATE, **parts)  # type: ignore[arg-type]
    return epochs_of(CompiledEpoch(model, DeviceDataset(train), DeviceDataset(val), recipe))


def keras_best(widths: list[int], images: int, jit: bool, precision: str = "float32") -> Epoch:
    """Fit at its best: cached and prefetched batches, several steps a call into the runtime."""
    from pipeline.networks import convolutional
    from pipeline.networks.backend import keras, tf

    train, val = splits(images)
    keras.config.set_dtype_policy(precision)
    model: keras.Model = convolutional.build(widths, 0.0, True, 10)
    convolutional.whiten(model, train.images)
    options = tf.data.Options()
    # Left on, the end of every epoch waits for the tuner's next turn.
    options.autotune.enabled = False

    def cached(images: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
        one_hot = np.eye(10, dtype=np.float32)[labels]
        return tf.data.Dataset.from_tensor_slices((images, one_hot)).cache()

    batches = cached(train.images, train.labels).shuffle(images).batch(BATCH, drop_remainder=jit).prefetch(4)
    validation = cached(val.images, val.labels).batch(VALIDATION_BATCH)
    batches, validation = batches.with_options(options), validation.with_options(options)
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, MOMENTUM, nesterov=True),
        keras.losses.CategoricalCrossentropy(label_smoothing=SMOOTHING),
        metrics=["accuracy"],
        jit_compile=jit,
        steps_per_execution=4,
    )
    return lambda: model.fit(batches, validation_data=validation, verbose=0)


def pytorch(widths: list[int], images: int, compiled: bool = False, bfloat16: bool = False) -> Epoch:
    """A loop by hand on resident tensors, channels last, denormals flushed; ``bfloat16``: under autocast."""
    import torch
    from torch import nn

    torch.set_flush_denormal(True)
    train, val = splits(images)

    def normalised(width: int) -> list[nn.Module]:
        normalisation = nn.BatchNorm2d(width, eps=1e-5, momentum=0.4)
        normalisation.weight.requires_grad_(False)
        return [normalisation, nn.ReLU()]

    layers: list[nn.Module] = [nn.Conv2d(3, 24, 2).requires_grad_(False), nn.ReLU()]
    for before, width in zip([24, *widths], widths, strict=False):
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.MaxPool2d(2), *normalised(width)]
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), *normalised(width)]
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10, bias=False)]
    network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, LEARNING_RATE, MOMENTUM, nesterov=True)
    model = torch.compile(network, dynamic=False) if compiled else network

    def resident(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        return torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64))

    x, y = resident(train.images, train.labels)
    val_x, val_y = resident(val.images, val.labels)
    loss_of = nn.functional.cross_entropy

    def epoch() -> None:
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        network.train()
        for rows in torch.randperm(images).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                # The images lie with their channels last: so does what the axes are exchanged in.
                logits = model(x[rows].permute(0, 3, 1, 2)).float()
            loss = loss_of(logits, y[rows], label_smoothing=SMOOTHING)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
            correct += (logits.argmax(1) == y[rows]).sum()
        network.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            for rows in torch.arange(len(val_y)).split(VALIDATION_BATCH):
                logits = model(val_x[rows].permute(0, 3, 1, 2)).float()
                total += loss_of(logits, val_y[rows])
                correct += (logits.argmax(1) == val_y[rows]).sum()

    return epoch


PROGRAMS: dict[str, Callable[[list[int], int], Epoch]] = {
    "ours": lambda widths, images: ours(widths, images, "float32"),
    "ours, bfloat16": lambda widths, images: ours(widths, images, "mixed_bfloat16"),
    "Keras at its best, tf.data": lambda widths, images: keras_best(widths, images, jit=False),
    "Keras at its best, tf.data, jit": lambda widths, images: keras_best(widths, images, jit=True),
    "Keras at its best, tf.data, bfloat16": lambda widths, images: keras_best(widths, images, False, "mixed_bfloat16"),
    "PyTorch": pytorch,
    "PyTorch, bfloat16": lambda widths, images: pytorch(widths, images, bfloat16=True),
    "PyTorch, compiled": lambda widths, images: pytorch(widths, images, compiled=True),
    "PyTorch, compiled, bfloat16": lambda widths, images: pytorch(widths, images, compiled=True, bfloat16=True),
}
