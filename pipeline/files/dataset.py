"""The arrays of data/prepared, memory-mapped: a stage reads only the splits that it names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.files.artefacts import write_array

RAW = Path("data/raw")
PREPARED = Path("data/prepared")
CLASS_NAMES = PREPARED / "class_names.json"


@dataclass(frozen=True)
class Split:
    """Images, uint8 (n, 32, 32, 3), and their labels, uint8 (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def rows(self, rows: npt.NDArray[np.integer[Any]]) -> "Split":
        """The images and labels of ``rows``, integer (m,), in that order."""
        return Split(self.images[rows], self.labels[rows])

    def write(self, prefix: str) -> None:
        """Write ``<prefix>images.npy`` and ``<prefix>labels.npy``."""
        write_array(Path(f"{prefix}images.npy"), self.images)
        write_array(Path(f"{prefix}labels.npy"), self.labels)


@dataclass(frozen=True)
class TrainAndTest:
    """The images of a data set as its authors divided them."""

    train: Split
    test: Split


def load(name: Literal["train", "val", "test"]) -> Split:
    """Map one split of data/prepared into memory, read-only."""
    folder = PREPARED / name
    return Split(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy", mmap_mode="r"))


def class_names() -> list[str]:
    """The name of each label, in the order of the labels."""
    names: list[str] = json.loads(CLASS_NAMES.read_text(encoding="utf-8"))
    return names
