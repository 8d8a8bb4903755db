"""A saved model on image files: the most probable classes of each. Not a stage.

python -m pipeline.predict IMAGE... [--model MODEL] [--top N] [--json]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.common import command, data, models
from pipeline.common.command import UserError
from pipeline.common.metrics import INFERENCE_BATCH, probabilities
from pipeline.common.pictures import decode
from pipeline.common.results import read_json

SUMMARY = Path("metrics/summary.json")


def files(paths: list[Path]) -> list[Path]:
    """The files that ``paths`` name, and those in the folders among them, in order of their names."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        found += inside if path.is_dir() else [path]
    return found


def predict(model: Any, names: list[str], images: list[Path], top: int) -> Iterator[dict[str, Any]]:
    """For each image its file and its ``top`` classes with their probabilities, or the error where it is none."""
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


def _table(predictions: list[dict[str, Any]]) -> Table:
    table = Table("image", "classes, most probable first", box=None)
    for entry in predictions:
        table.add_row(entry["file"], "  ".join(f"{c['class']} {c['probability']:.3f}" for c in entry["classes"]))
    return table


def _selected() -> Path:
    if not SUMMARY.exists():
        raise UserError(f"{SUMMARY} is missing, which names the selected model; run 'dvc repro', or give --model MODEL")
    return Path(read_json(SUMMARY)["selected"]["model"])


def main(*words: str) -> None:
    """Print the most probable classes of the images named on the command line."""
    parser = argparse.ArgumentParser("python -m pipeline.predict", description="Name what is on images.")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="an image file, or a folder of them")
    parser.add_argument("--model", type=Path, help="a .keras file of this project (default: the selected model)")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="how many classes (default: 3)")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    options = parser.parse_args(words)
    path = options.model or _selected()
    for needed in (path, data.CLASS_NAMES):
        if not needed.exists():
            raise UserError(f"{needed} is missing; 'dvc pull' fetches it, 'dvc repro' makes it")
    model, names = models.load(path), data.class_names()
    if model.output_shape[-1] != len(names):
        raise UserError(f"{path} tells {model.output_shape[-1]} classes apart, {data.CLASS_NAMES} has {len(names)}")
    images = files(options.images)
    bar = track(
        predict(model, names, images, options.top),
        f"predict {len(images):,} images",
        total=len(images),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    entries = list(bar)
    good = [entry for entry in entries if "error" not in entry]
    for entry in entries:
        if "error" in entry:
            print(entry["error"], file=sys.stderr)
    if options.json:
        print(json.dumps(entries, indent=1))
    elif good:
        Console(highlight=False, soft_wrap=True).print(_table(good))
    if len(good) < len(images) or not images:
        raise UserError(f"{len(images) - len(good)} of {len(images)} images could not be read")


if __name__ == "__main__":
    command.run(main)
