"""Which devices train: the processor or graphics cards, one of them or all at once."""

import functools
from contextlib import AbstractContextManager
from typing import Any

from pipeline.files.errors import UserError
from pipeline.networks.backend import tf
from pipeline.params.training import Device, Strategy


def scope(device: Device, strategy: Strategy) -> AbstractContextManager[Any]:
    """Within it, models, programs and resident images are made for the chosen devices.

    "auto" takes graphics cards where there are some. "mirrored" keeps a copy of the weights on every device of the
    kind, and each batch is divided among them. Raises :class:`UserError` for "gpu" where TensorFlow finds none.
    """
    chosen: AbstractContextManager[Any] = _chosen(device, strategy).scope()
    return chosen


@functools.cache
def _chosen(device: Device, strategy: Strategy) -> Any:
    cards = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not cards:
        raise UserError("params.yaml: train.device is gpu, but TensorFlow finds no GPU; allowed here: auto, cpu")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        cards = []
    for card in cards:
        # Left alone, TensorFlow takes all of a card's memory, whoever else works on it.
        tf.config.experimental.set_memory_growth(card, True)
    if strategy == "one_device":
        return tf.distribute.get_strategy()
    logical = tf.config.list_logical_devices("GPU" if cards else "CPU")
    return tf.distribute.MirroredStrategy([entry.name for entry in logical])


def names() -> list[str]:
    """The devices that TensorFlow sees, which decide the last bits of what is trained."""
    return [entry.name for entry in tf.config.list_logical_devices()]
