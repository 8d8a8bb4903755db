"""Programs that train a dense network, an epoch and its validation a call."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.images import splits

if TYPE_CHECKING:
    from pipeline.files.dataset import Split
    from pipeline.training.epoch import CompiledEpoch

BATCH = 128
LEARNING_RATE = 1e-4
Epoch = Callable[[], object]


def compiled_epoch(units: list[int], images: int, precision: str) -> CompiledEpoch:
    """The pipeline's compiled epoch of Adam's at one rate."""
    from pipeline.networks.dense import build
    from pipeline.params.recipe import Recipe
    from pipeline.training import devices
    from pipeline.training.epoch import CompiledEpoch, DeviceDataset

    devices.prepare("cpu", 2)
    model = build(units, [0.0] * len(units), [0.0] * len(units), 10)
    train, val = map(DeviceDataset, splits(images))
    recipe = Recipe(50, BATCH, precision, LEARNING_RATE)  # type: ignore[arg-type]
    return CompiledEpoch(model, train, val, recipe)


def ours(units: list[int], images: int, precision: str) -> Epoch:
    """The pipeline's compiled epoch, one after another of one seed."""
    return epochs_of(compiled_epoch(units, images, precision))


def epochs_of(compiled: CompiledEpoch) -> Epoch:
    """One epoch after another of one seed, each with its validation."""
    from pipeline.training.epoch import Progress

    compiled.begin(100)
    done: list[float] = []

    def epoch() -> None:
        for _ in compiled.train(100, done, Progress()):
            pass
        done.append(compiled.validate().loss)

    return epoch


def seeds(units: list[int], images: int) -> Epoch:
    """The pipeline's program, a new seed of five epochs each time: compiled once."""
    from pipeline.training.epoch import Progress

    compiled = compiled_epoch(units, images, "float32")
    numbers = iter(range(100, 10**6))

    def seed() -> None:
        number = next(numbers)
        compiled.begin(number)
        done: list[float] = []
        for _ in range(5):
            for _ in compiled.train(number, done, Progress()):
                pass
            done.append(compiled.validate().loss)

    return seed


def keras_model(units: list[int], jit: bool | str, one_hot: bool, steps: int) -> object:
    """The network as Keras' users write it."""
    from pipeline.networks.backend import keras

    layers = [keras.layers.Dense(count, "relu") for count in units]
    model = keras.Sequential([keras.Input((3072,)), *layers, keras.layers.Dense(10, "softmax")])
    loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    optimiser = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimiser, loss, metrics=["accuracy"], jit_compile=jit, steps_per_execution=steps)
    return model


def flat(part: Split) -> np.ndarray:
    """Float32 (n, 3072) in [0, 1]."""
    return np.multiply(part.images.reshape(-1, 3072), np.float32(1 / 255), dtype=np.float32)


def notebook(units: list[int], images: int) -> Epoch:
    """The study's way: fit on float32 arrays with one-hot labels, batch 128, all else by default."""
    train, val = splits(images)
    one_hot = np.eye(10, dtype=np.float32)
    arrays = flat(train), one_hot[train.labels]
    validation = flat(val), one_hot[val.labels]
    model = keras_model(units, "auto", one_hot=True, steps=1)
    return lambda: model.fit(*arrays, batch_size=BATCH, validation_data=validation, verbose=0)  # type: ignore[attr-defined]


def keras_arrays(units: list[int], images: int) -> Epoch:
    """Fit on arrays, which Keras gathers in parallel; many steps a call, large validation batches."""
    train, val = splits(images)
    arrays, validation = (flat(train), train.labels.astype(np.int32)), (flat(val), val.labels.astype(np.int32))
    model = keras_model(units, jit=False, one_hot=False, steps=39)
    options = {"batch_size": BATCH, "validation_data": validation, "validation_batch_size": 1000, "verbose": 0}
    return lambda: model.fit(*arrays, **options)  # type: ignore[attr-defined]


def keras_best(units: list[int], images: int, jit: bool) -> Epoch:
    """Fit at its best: cached and prefetched batches, many steps a call into the runtime, large validation batches."""
    from pipeline.networks.backend import tf

    train, val = splits(images)
    options = tf.data.Options()
    # Left on, the end of every epoch waits for the tuner's next turn, whose period doubles: up to 2.6 s of sleep.
    options.autotune.enabled = False
    batches = tf.data.Dataset.from_tensor_slices((flat(train), train.labels.astype(np.int32))).cache()
    batches = batches.shuffle(images, reshuffle_each_iteration=True).batch(BATCH, drop_remainder=jit).prefetch(4)
    validation = tf.data.Dataset.from_tensor_slices((flat(val), val.labels.astype(np.int32))).batch(1000).cache()
    batches, validation = batches.with_options(options), validation.with_options(options)
    model = keras_model(units, jit, one_hot=False, steps=39)
    return lambda: model.fit(batches, validation_data=validation, verbose=0)  # type: ignore[attr-defined]


def pytorch(
    units: list[int], images: int, compiled: bool = False, bfloat16: bool = False, flush: bool = False
) -> Epoch:
    """A loop by hand on resident tensors, with the fused Adam; ``bfloat16``: under autocast.

    ``flush``: denormal numbers count as zero, as they always do in TensorFlow.
    """
    import torch

    torch.set_flush_denormal(flush)
    train, val = splits(images)
    sizes = [3072, *units, 10]
    layers: list[torch.nn.Module] = []
    for size, following in pairwise(sizes):
        layers += [torch.nn.Linear(size, following), torch.nn.ReLU()]
    model: Callable[..., torch.Tensor] = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)  # type: ignore[attr-defined]
    model = torch.compile(model, dynamic=False) if compiled else model
    x, y = torch.from_numpy(flat(train)), torch.from_numpy(train.labels.astype(np.int64))
    val_x, val_y = torch.from_numpy(flat(val)), torch.from_numpy(val.labels.astype(np.int64))
    loss_of = torch.nn.functional.cross_entropy

    def epoch() -> None:
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in torch.randperm(images).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = model(x[rows]).float()
            loss = loss_of(logits, y[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
            correct += (logits.argmax(1) == y[rows]).sum()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            for rows in torch.arange(len(val_y)).split(1000):
                logits = model(val_x[rows]).float()
                total += loss_of(logits, val_y[rows])
                correct += (logits.argmax(1) == val_y[rows]).sum()

    return epoch


def scikit_learn(units: list[int], images: int) -> Epoch:
    """MLPClassifier, one epoch at a time."""
    from sklearn.neural_network import MLPClassifier

    train, val = splits(images)
    x, val_x = flat(train), flat(val)
    model = MLPClassifier(units, batch_size=BATCH, learning_rate_init=LEARNING_RATE)

    def epoch() -> None:
        model.partial_fit(x, train.labels, classes=np.arange(10))
        model.score(val_x, val.labels)

    return epoch


PROGRAMS: dict[str, Callable[[list[int], int], Epoch]] = {
    "ours": lambda units, images: ours(units, images, "float32"),
    "ours, bfloat16": lambda units, images: ours(units, images, "mixed_bfloat16"),
    "notebook": notebook,
    "Keras at its best, arrays": keras_arrays,
    "Keras at its best, tf.data": lambda units, images: keras_best(units, images, jit=False),
    "Keras at its best, tf.data, jit": lambda units, images: keras_best(units, images, jit=True),
    "PyTorch": pytorch,
    "PyTorch, denormals flushed": lambda units, images: pytorch(units, images, flush=True),
    "PyTorch, bfloat16, denormals flushed": lambda units, images: pytorch(units, images, bfloat16=True, flush=True),
    "PyTorch, compiled, denormals flushed": lambda units, images: pytorch(units, images, compiled=True, flush=True),
    "scikit-learn": scikit_learn,
    "seeds": seeds,
}
