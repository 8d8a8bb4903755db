"""data/raw checked and divided: a stratified train and validation split, and the test images as they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from pipeline.common import command, figures, params
from pipeline.common.artefacts import write_array, write_json
from pipeline.common.data import PREPARED, RAW, Part

GRID = 3, 5


def check(name: str, part: Part, classes: int) -> None:
    """Raise :class:`pipeline.common.command.UserError` unless ``part`` holds labelled images of all ``classes``."""
    images, labels = part.images, part.labels
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3):
        raise command.UserError(f"{name}_images.npy is {images.dtype} {images.shape}; allowed: uint8 (n, 32, 32, 3)")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise command.UserError(
            f"{name}_labels.npy is {labels.dtype} {labels.shape}; allowed: uint8 {images.shape[:1]}"
        )
    found = np.unique(labels).tolist()
    if found != list(range(classes)):
        raise command.UserError(f"{name}_labels.npy has the labels {found}; allowed: each of 0 to {classes - 1}")


def split(part: Part, validation_fraction: float, seed: int) -> tuple[Part, Part]:
    """Divide ``part`` into train and validation, stratified by class, in an order drawn by ``seed``.

    Raises :class:`pipeline.common.command.UserError` when a part would hold less than one image of each class.
    """
    rows = np.arange(len(part.labels))
    try:
        train, val = train_test_split(rows, test_size=validation_fraction, random_state=seed, stratify=part.labels)
    except ValueError as error:
        raise command.UserError(f"params.yaml: split.validation_fraction is {validation_fraction}; {error}") from None
    return Part(part.images[train], part.labels[train]), Part(part.images[val], part.labels[val])


def duplicates(parts: dict[str, Part]) -> dict[str, int]:
    """For each pair of parts, how many images of the second are also, pixel for pixel, in the first."""
    digests = {
        name: [hashlib.sha256(image).digest() for image in np.ascontiguousarray(part.images)]
        for name, part in parts.items()
    }
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    return {f"{a}_{b}": sum(digest in known for digest in digests[b]) for a, b in pairs if (known := set(digests[a]))}


def channel_statistics(images: npt.NDArray[np.uint8]) -> dict[str, list[float]]:
    """Mean and standard deviation (ddof 0) of red, green and blue, as fractions of 255."""
    # From the counts of the 256 values: exact, and without a float copy of the images.
    values = np.arange(256) / 255
    counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)]
    mean = [float(np.average(values, weights=count)) for count in counts]
    variance = [np.average((values - m) ** 2, weights=count) for m, count in zip(mean, counts, strict=True)]
    return {"mean": mean, "std": np.sqrt(variance).tolist()}


def summarise(parts: dict[str, Part], names: list[str]) -> dict[str, Any]:
    """What metrics/split.json says: images per class and part, duplicates, statistics of the training part."""
    counts = {
        name: dict(zip(names, np.bincount(part.labels, minlength=len(names)).tolist(), strict=True))
        for name, part in parts.items()
    }
    return {"counts": counts, "duplicates": duplicates(parts), "channels": channel_statistics(parts["train"].images)}


def main() -> None:
    """Check and divide the images."""
    settings = params.load().split
    names: list[str] = json.loads((RAW / "class_names.json").read_text(encoding="utf-8"))
    raw = {
        name: Part(np.load(RAW / f"{name}_images.npy"), np.load(RAW / f"{name}_labels.npy"))
        for name in ("train", "test")
    }
    for name, part in raw.items():
        check(name, part, len(names))
    train, val = split(raw["train"], settings.validation_fraction, settings.seed)
    parts = {"train": train, "val": val, "test": raw["test"]}
    for name, part in parts.items():
        write_array(PREPARED / name / "images.npy", part.images)
        write_array(PREPARED / name / "labels.npy", part.labels)
    write_json(PREPARED / "class_names.json", names)
    write_json(Path("metrics/split.json"), summarise(parts, names))
    samples = GRID[0] * GRID[1]
    titles = [names[label] for label in train.labels[:samples]]
    figures.image_grid(Path("metrics/figures/samples.png"), train.images[:samples], titles, *GRID, "Training images")


if __name__ == "__main__":
    command.run(main)
