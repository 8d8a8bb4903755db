"""A saved model on image files: the most probable classes of each. Not a stage.

python -m pipeline.predict IMAGE... [--model MODEL] [--top N] [--json]
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline.console import absent, answers, arguments, command
from pipeline.evaluation.inference import BATCH, most_probable, outputs
from pipeline.files.artefacts import DECIMALS
from pipeline.files.errors import UserError
from pipeline.files.names import printable
from pipeline.images.decoding import SIDE, decode_file
from pipeline.images.folders import clutter_notice, files
from pipeline.networks import saving

SELECTED = Path("models/selected.keras")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the process with exit code 2 for unknown or missing words.

    Raises :class:`UserError` for an empty path or a wrong number of classes.
    """
    parser = argparse.ArgumentParser("python -m pipeline.predict", description="Name what is on images.")
    parser.add_argument(
        "images", nargs="+", type=arguments.named, metavar="IMAGE", help="an image file, or a folder of them"
    )
    model_help = f"a .keras file of this project (default: {SELECTED})"
    parser.add_argument("--model", type=arguments.named, default=SELECTED, help=model_help)
    top_help = "how many classes, all where there are fewer (default: 3)"
    parser.add_argument("--top", type=arguments.count, default=3, metavar="N", help=top_help)
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of lines")
    return parser.parse_args(words)


def predictions(model: Any, names: Sequence[str], paths: Sequence[Path], top: int) -> Iterator[dict[str, Any]]:
    """For each path its "file", and the ``top`` "classes" with their probabilities or, of no image, an "error"."""
    with ThreadPoolExecutor() as readers:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            decoded = list(readers.map(decode_file, batch))
            images = [image for image in decoded if not isinstance(image, str)]
            rows = iter(outputs(model, np.stack(images)) if images else np.empty((0, 0), np.float32))
            for path, image in zip(batch, decoded, strict=True):
                if isinstance(image, str):
                    yield {"file": str(path), "error": image}
                else:
                    best = most_probable(next(rows), names, top)
                    classes = [{"class": name, "probability": round(value, DECIMALS)} for name, value in best]
                    yield {"file": str(path), "classes": classes}


def main(*words: str) -> None:
    """Print the most probable classes of the images named on the command line."""
    options = parsed(words)
    path: Path = options.model
    if not path.exists():
        raise UserError(absent.how_to_get(path))
    model, names = saving.load_classifier(path, (SIDE, SIDE, 3))
    images, unreadable, clutter = files(options.images)
    if clutter:
        print(f"predict: {clutter_notice(clutter)}", file=sys.stderr)
    progress = track(
        predictions(model, names, images, options.top),
        f"predict {len(images):,} images",
        total=len(images),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    entries = list(progress)
    entries += [{"file": str(file), "error": f"{printable(str(file))}: {why}"} for file, why in unreadable.items()]
    good = [entry for entry in entries if "classes" in entry]
    for entry in entries:
        if "error" in entry:
            print(entry["error"], file=sys.stderr)
    if options.json:
        print(json.dumps(entries, indent=1))
    elif good:
        answers.write(good)
    if len(good) < len(entries):
        raise UserError(f"{len(entries) - len(good)} of {len(entries)} images could not be read")


if __name__ == "__main__":
    command.run(main)
