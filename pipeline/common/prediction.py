"""The most probable classes of image files, a batch at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.common.command import UserError
from pipeline.common.metrics import INFERENCE_BATCH, probabilities
from pipeline.common.pictures import decode


def files(paths: Sequence[Path]) -> list[Path]:
    """The files that ``paths`` name, and those in the folders among them, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        found += inside if path.is_dir() else [path]
    return found


def predictions(model: Any, names: Sequence[str], images: Sequence[Path], top: int) -> Iterator[dict[str, Any]]:
    """Of each image its "file" and the ``top`` "classes" with their probabilities, or the "error" where it is none."""
    with ThreadPoolExecutor() as readers:
        for start in range(0, len(images), INFERENCE_BATCH):
            batch = images[start : start + INFERENCE_BATCH]
            read = list(readers.map(_pixels, batch))
            arrays = [pixels for pixels in read if not isinstance(pixels, str)]
            rows = iter(probabilities(model, np.stack(arrays)) if arrays else np.empty((0, 0), np.float32))
            for path, pixels in zip(batch, read, strict=True):
                if isinstance(pixels, str):
                    yield {"file": str(path), "error": pixels}
                else:
                    row = next(rows)
                    best = [int(label) for label in np.argsort(-row, kind="stable")[:top]]
                    classes = [{"class": names[label], "probability": round(float(row[label]), 6)} for label in best]
                    yield {"file": str(path), "classes": classes}


def _pixels(path: Path) -> npt.NDArray[np.uint8] | str:
    """The image, or what is wrong with it."""
    try:
        return decode(path.read_bytes(), str(path))
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"
