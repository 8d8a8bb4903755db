"""The arrays of data/prepared, memory-mapped: a stage reads only the parts that it names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

RAW = Path("data/raw")
PREPARED = Path("data/prepared")
CLASS_NAMES = PREPARED / "class_names.json"


@dataclass(frozen=True)
class Part:
    """Images, uint8 (n, 32, 32, 3), and their labels, uint8 (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


def load(name: Literal["train", "val", "test"]) -> Part:
    """Map one part into memory, read-only."""
    folder = PREPARED / name
    return Part(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy", mmap_mode="r"))


def class_names() -> list[str]:
    """The name of each label, in the order of the labels."""
    names: list[str] = json.loads(CLASS_NAMES.read_text(encoding="utf-8"))
    return names
