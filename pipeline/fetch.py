"""The study's images: obtained, verified against the catalogue, and only then decoded into data/raw."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from pipeline.console import command
from pipeline.files.artefacts import write_json
from pipeline.files.dataset import RAW, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images import archives, catalogue, folders
from pipeline.images.download import download
from pipeline.params import reading
from pipeline.params.images import FetchParams
from pipeline.runtime import fingerprints

CATALOGUE = Path("pipeline/images/catalogue.yaml")


def obtain(dataset: str, entries: list[catalogue.Entry]) -> tuple[Path, catalogue.Entry]:
    """Bring the archive of ``dataset`` within reach; return its path and the entry of the catalogue that it matches.

    CIFAR-10 comes from the environment variable CIFAR10_ARCHIVE (a path or an http address), without it from its
    official address. Raises :class:`pipeline.files.errors.UserError` for a file that is not in the catalogue.
    """
    if dataset == "digits":
        path = Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
        return path, catalogue.identify(path, entries)
    location = os.environ.get("CIFAR10_ARCHIVE") or entries[0].origin
    scheme = location.partition("://")[0].lower() if "://" in location else None
    if scheme in ("http", "https"):
        largest = max(entry.bytes for entry in entries)
        path = download(location, largest, lambda arrived: catalogue.identify(arrived, entries))
        return path, catalogue.identify(path, entries)
    path = Path(location)
    if scheme is not None or not path.is_file():
        raise UserError(
            f"CIFAR10_ARCHIVE is {location}, which is not a file in {Path.cwd()}; "
            "allowed: a file (best by its absolute path), or an http or https address"
        )
    return path, catalogue.identify(path, entries)


def read(params: FetchParams) -> tuple[TrainAndTest, tuple[str, ...], dict[str, Any]]:
    """The images, the class names in the order of the labels, and where they come from, as metrics/dataset.json has it.

    ``lossless``: whether they are the pixels that the data set's authors published; None for images of the user's own.
    """
    if params.dataset == "folder":
        images, class_names, digest = folders.read(Path(params.path))
        return images, class_names, {"archive": Path(params.path).name, "sha256": digest, "lossless": None}
    path, entry = obtain(params.dataset, catalogue.read(CATALOGUE, params.dataset))
    provenance = {"archive": entry.name, "sha256": entry.sha256, "lossless": entry.lossless, "origin": entry.origin}
    return archives.read(path, entry), entry.class_names, provenance


def main() -> None:
    """Obtain, verify and decode the images of ``fetch.dataset``."""
    fingerprints.check("fetch")
    params = reading.load("fetch").fetch
    images, class_names, provenance = read(params)
    fingerprints.check("fetch")
    counts = {}
    for name, split in (("train", images.train), ("test", images.test)):
        split.write(f"{RAW / name}_")
        per_class = np.bincount(split.labels, minlength=len(class_names)).tolist()
        counts[name] = dict(zip(class_names, per_class, strict=True))
    write_json(RAW / "class_names.json", class_names)
    write_json(Path("metrics/dataset.json"), {"dataset": params.dataset, "counts": counts} | provenance)


if __name__ == "__main__":
    command.run(main)
