"""The archives that fetch accepts, and how a file is recognised as one of them."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from pipeline.files.artefacts import sha256
from pipeline.files.errors import UserError


class Entry(BaseModel):
    """One archive. ``images_per_class`` is by split, train and test; None where the reader makes the split itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    dataset: str
    layout: Literal["binary", "folders", "digits"]
    bytes: int
    sha256: str
    lossless: bool
    origin: str
    class_names: tuple[str, ...]
    images_per_class: dict[str, int] | None = None


def read(path: Path, dataset: str) -> list[Entry]:
    """All entries of the catalogue ``path`` for ``dataset``; the first is where the images officially come from."""
    entries = TypeAdapter(list[Entry]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    return [entry for entry in entries if entry.dataset == dataset]


def identify(archive: Path, entries: list[Entry]) -> Entry:
    """Find the entry whose size and sha256 the file ``archive`` has.

    Raises :class:`UserError` that names the file's own figures and those allowed, or that it cannot be read.
    """
    try:
        size = archive.stat().st_size
        digest = sha256(archive)
    except OSError as error:
        raise UserError(f"{archive}: {error.strerror}") from None
    for entry in entries:
        if (size, digest) == (entry.bytes, entry.sha256):
            return entry
    allowed = "; ".join(f"{entry.name}, {entry.bytes} bytes, sha256 {entry.sha256}" for entry in entries)
    raise UserError(f"{archive} has {size} bytes, sha256 {digest}; allowed: {allowed}")
