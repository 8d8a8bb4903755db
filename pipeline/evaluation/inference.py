"""A model's answers to images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.files.dataset import Split
from pipeline.files.runs import Predicted

# What one model says: class probabilities, float32 (n, classes).
Predictions = dict[Predicted, npt.NDArray[np.float32]]

# Images in a batch, whose size changes nothing but memory and speed.
BATCH = 1000


def outputs(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The output, float32 (n, classes), of a Keras ``model`` for uint8 ``images`` (n, 32, 32, 3).

    Batch by batch and without ``predict``, which compiles a program of its own for every model.
    """
    return np.concatenate(list(_batches(model, images)))


def _batches(model: Any, images: npt.NDArray[np.uint8]) -> Iterator[Any]:
    for start in range(0, len(images), BATCH):
        yield model(images[start : start + BATCH], training=False)


def predicted(model: Any, both: Any, test: Split, val: Split | None) -> Predictions:
    """What the Keras ``model`` says of the images of ``test``, and of ``val`` if these are given.

    ``both``: for a model that averages several looks, the same one with a second output, for one look; else None.
    """
    if both is None:
        found: Predictions = {"test": outputs(model, test.images)}
    else:
        averaged, at_one_look = zip(*_batches(both, test.images), strict=True)
        found = {"test": np.concatenate(averaged), "one-look": np.concatenate(at_one_look)}
    if val is not None:
        found["val"] = outputs(model, val.images)
    return found


def most_probable(
    probabilities: npt.NDArray[np.float32], class_names: Sequence[str], count: int
) -> list[tuple[str, float]]:
    """The ``count`` classes of the highest ``probabilities`` (classes,), highest first, each with its probability."""
    best = np.argsort(-probabilities, kind="stable")[:count]
    return [(class_names[label], float(probabilities[label])) for label in best]
