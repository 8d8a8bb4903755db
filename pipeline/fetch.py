"""The images of a data set: obtained, known by their content, and only then decoded into data/raw."""

import os
import sys
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL
import sklearn

from pipeline.console import command
from pipeline.files.artefacts import all_or_none, write_json
from pipeline.files.dataset import RAW, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images import catalogue, layouts, own_images
from pipeline.images.download import download, without_password
from pipeline.images.folders import clutter_notice
from pipeline.params import reading
from pipeline.params.images import FetchParams
from pipeline.runtime import fingerprints

CATALOGUE = Path("pipeline/images/catalogue.yaml")


def obtain(dataset: str, entry: catalogue.Entry) -> tuple[catalogue.Files, str, list[PurePosixPath]]:
    """The files of ``dataset``, their digest and the clutter between them, as :func:`catalogue.verified` gives them.

    They come from where the environment variable CIFAR10_ARCHIVE says (a path or an http address), without it from
    the address of ``entry``; the digits come with scikit-learn. Raises :class:`pipeline.files.errors.UserError` for
    a place that has none or another data set.
    """
    verified = partial(catalogue.verified, dataset=dataset, entry=entry, expected=layouts.expected(entry))
    if entry.address is None:
        return verified(Path(sklearn.__file__).parent / "datasets" / "data")
    location = os.environ.get("CIFAR10_ARCHIVE") or entry.address
    scheme = location.partition("://")[0].lower() if "://" in location else None
    if scheme in ("http", "https"):
        return download(location, entry.largest, verified)
    path = Path(location)
    if scheme is not None or not path.exists():
        raise UserError(
            f"CIFAR10_ARCHIVE is {without_password(location)}, which is not a file or folder in {Path.cwd()}; "
            "allowed: an archive or folder (best by its absolute path), or an http or https address"
        )
    return verified(path)


def read(params: FetchParams) -> tuple[TrainAndTest, tuple[str, ...], dict[str, Any]]:
    """The images, the class names in the order of the labels, and where they come from, as metrics/dataset.json has it.

    ``lossless``: whether they are the pixels that the data set's authors published; None for images of the user's own.
    """
    if params.dataset == "folder":
        images, class_names, content, clutter = own_images.read(Path(params.path))
        provenance: dict[str, Any] = {"lossless": None}
    else:
        entry = catalogue.read(CATALOGUE)[params.dataset]
        files, content, clutter = obtain(params.dataset, entry)
        images, class_names = layouts.decode(files, entry), entry.class_names
        provenance = {"lossless": entry.lossless, "origin": entry.origin}
    arrays = catalogue.arrays_digest(images)
    if clutter:
        print(f"fetch: {clutter_notice(clutter)}", file=sys.stderr)
    if params.dataset != "folder" and entry.arrays not in (None, arrays):
        print(
            f"warning: the files are those of {params.dataset}, but Pillow {PIL.__version__} decodes them here to "
            f"other pixels: sha256 {arrays} instead of {entry.arrays}. Figures may differ",
            file=sys.stderr,
        )
    return images, class_names, provenance | {"content_sha256": content, "arrays_sha256": arrays}


def main() -> None:
    """Obtain, verify and decode the images of ``fetch.dataset``."""
    fingerprints.check("fetch")
    params = reading.load("fetch").fetch
    images, class_names, provenance = read(params)
    fingerprints.check("fetch")
    counts = {}
    with all_or_none(RAW):
        for name, split in (("train", images.train), ("test", images.test)):
            split.write(f"{RAW / name}_")
            per_class = np.bincount(split.labels, minlength=len(class_names)).tolist()
            counts[name] = dict(zip(class_names, per_class, strict=True))
        write_json(RAW / "class_names.json", class_names)
    write_json(Path("metrics/dataset.json"), {"dataset": params.dataset, "counts": counts} | provenance)


if __name__ == "__main__":
    command.run(main)
