"""The arrays of data/prepared, memory-mapped: a stage reads only the splits that it names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.files.artefacts import read_array, read_json, write_array
from pipeline.files.errors import UserError

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
    return Split(*(read_array(folder / f"{part}.npy", mmap_mode="r") for part in ("images", "labels")))


def train_and_val() -> tuple[Split, Split]:
    """The two splits that a model is trained on and selected by."""
    return load("train"), load("val")


def class_names(path: Path = CLASS_NAMES) -> list[str]:
    """The name of each label, in the order of the labels. Raises :class:`UserError` where they are no such list."""
    names = read_json(path)
    strings = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    if not strings or not 2 <= len(names) == len(set(names)):
        raise UserError(f"{path} is damaged; allowed: a list of two or more different names")
    return list(names)
