"""The stratified split of images, the checks before it, and a summary of what it gave."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, train_test_split

from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.files.names import counted

# Of a data set that its authors did not divide.
TEST_FRACTION = 0.2


def check(name: str, split: Split, class_names: Sequence[str], least: int = 1) -> None:
    """Raise :class:`UserError` unless ``split`` holds labelled images, ``least`` of each class or more."""
    images, labels = split.images, split.labels
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3):
        raise UserError(f"{name}_images.npy is {images.dtype} {images.shape}; allowed: uint8 (n, 32, 32, 3)")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise UserError(f"{name}_labels.npy is {labels.dtype} {labels.shape}; allowed: uint8 {images.shape[:1]}")
    found = np.unique(labels).tolist()
    if found != list(range(len(class_names))):
        raise UserError(f"{name}_labels.npy has the labels {found}; allowed: each of 0 to {len(class_names) - 1}")
    for class_name, count in zip(class_names, np.bincount(labels), strict=True):
        if count < least:
            raise UserError(f"class {class_name} has {counted(count, f'{name} image')}; allowed: {least} at least")


def stratified(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide ``split`` in two, the same ``fraction`` of every class in the second, in an order drawn by ``seed``.

    A class, which must have two images or more, has at least one in each. Raises ValueError where one of the two would
    hold fewer images than there are classes.
    """
    rows, classes = np.arange(len(split.labels)), len(np.unique(split.labels))
    count = math.ceil(fraction * len(rows))
    if min(count, len(rows) - count) < classes:
        raise ValueError(f"{count} of {len(rows)} images; allowed: one of each class ({classes}) on both sides")
    first, second = train_test_split(rows, test_size=fraction, random_state=seed, stratify=split.labels)
    # Rounding may leave all images of a small class on one side.
    to_second, to_first = _lacking(split.labels, second, first), _lacking(split.labels, first, second)
    first = np.append(first[~np.isin(first, to_second)], to_first)
    second = np.append(second[~np.isin(second, to_first)], to_second)
    return split.rows(first), split.rows(second)


def fold(split: Split, number: int, of: int, seed: int) -> tuple[Split, Split]:
    """What to train and what to validate the fold ``number`` on, counted from 1.

    ``split`` is divided into ``of`` folds with the same share of every class, in an order drawn by ``seed``. A class
    must have as many images as there are folds.
    """
    folds = StratifiedKFold(of, shuffle=True, random_state=seed).split(split.labels, split.labels)
    train, val = list(folds)[number - 1]
    return split.rows(train), split.rows(val)


def _lacking(
    labels: npt.NDArray[np.uint8], here: npt.NDArray[np.int64], there: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The first row ``there`` of each class that has none ``here``."""
    present, places = np.unique(labels[there], return_index=True)
    return there[places[~np.isin(present, labels[here])]]


def duplicates(splits: Mapping[str, Split]) -> dict[str, int]:
    """For each pair of train, val and test, how many images of the second are also, pixel for pixel, in the first."""
    digests = {
        name: [hashlib.sha256(image).digest() for image in np.ascontiguousarray(split.images)]
        for name, split in splits.items()
    }
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    return {f"{a}_{b}": sum(digest in known for digest in digests[b]) for a, b in pairs if (known := set(digests[a]))}


def channel_statistics(images: npt.NDArray[np.uint8]) -> dict[str, list[float]]:
    """Mean and standard deviation (ddof 0) of red, green and blue of ``images`` (n, 32, 32, 3), as fractions of 255."""
    # From the counts of the 256 values: exact, and without a float copy of the images.
    values = np.arange(256) / 255
    counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)]
    mean = [float(np.average(values, weights=count)) for count in counts]
    variance = [np.average((values - m) ** 2, weights=count) for m, count in zip(mean, counts, strict=True)]
    return {"mean": mean, "std": np.sqrt(variance).tolist()}


def summarise(splits: Mapping[str, Split], names: Sequence[str]) -> dict[str, Any]:
    """What metrics/split.json says: images per class and split, duplicates, statistics of the training images."""
    counts = {
        name: dict(zip(names, np.bincount(split.labels, minlength=len(names)).tolist(), strict=True))
        for name, split in splits.items()
    }
    return {"counts": counts, "duplicates": duplicates(splits), "channels": channel_statistics(splits["train"].images)}
