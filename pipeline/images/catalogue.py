"""The data sets that fetch knows, and how their files are told from others: by content, whatever they come in."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from pipeline.files.dataset import TrainAndTest
from pipeline.files.errors import UserError
from pipeline.files.names import counted
from pipeline.images import archives
from pipeline.images.folders import is_clutter

Files = dict[PurePosixPath, bytes]


class Entry(BaseModel):
    """One data set.

    ``content`` is the digest of its files, ``arrays`` that of the decoded images, where they are lossy. ``largest``:
    bytes that no archive of it exceeds.
    ``images_per_class`` is by split, train and test; None where the reader makes the split itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Literal["binary", "folders", "digits"]
    origin: str
    address: str | None = None
    largest: int = 0
    content: str
    arrays: str | None = None
    lossless: bool
    class_names: tuple[str, ...]
    images_per_class: dict[str, int] | None = None


def read(path: Path) -> dict[str, Entry]:
    """The entries of the catalogue ``path`` by the name of the data set."""
    return TypeAdapter(dict[str, Entry]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))


def content_digest(files: Mapping[PurePosixPath, str]) -> str:
    """The digest of a data set whose ``files`` have these sha256, by path below its root.

    It is the sha256 of what ``sha256sum`` prints of the files in the order of their paths' bytes.
    """
    lines = [f"{files[name]}  ".encode() + os.fsencode(name) + b"\n" for name in sorted(files, key=os.fsencode)]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def arrays_digest(images: TrainAndTest) -> str:
    """The sha256 of the bytes of all images and labels: train images, train labels, test images, test labels."""
    digest = hashlib.sha256()
    for split in (images.train, images.test):
        for array in (split.images, split.labels):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def verified(
    path: Path, dataset: str, entry: Entry, expected: Collection[PurePosixPath]
) -> tuple[Files, str, list[PurePosixPath]]:
    """The files of ``dataset`` in the folder or archive ``path``, their digest, and the clutter between them.

    The ``expected`` files lie in ``path`` itself or below a leading folder; what lies beside them is passed over.
    Raises :class:`UserError` that says what is missing, too much or different, or what cannot be read.
    """
    wrong = f"{path} is not {dataset}, which fetch.dataset names"
    tops = {name.parts[0] for name in expected}
    below: dict[PurePosixPath, PurePosixPath] = {}

    def choose(names: Iterable[PurePosixPath]) -> Collection[PurePosixPath]:
        below.update(_below_root(names, tops))
        return {name for name, relative in below.items() if not is_clutter(relative)}

    def enter(folder: PurePosixPath) -> bool:
        return len(folder.parts) == 1 or not tops.isdisjoint(folder.parts[:2])

    files = {below[name]: content for name, content in archives.read(path, choose, enter)}
    missing, unknown = sorted(set(expected) - set(files)), sorted(set(files) - set(expected))
    if missing:
        raise UserError(f"{wrong}: {counted(len(missing), 'file')} missing, among them {missing[0]}")
    if unknown:
        raise UserError(f"{wrong}: {counted(len(unknown), 'file')} not of it, among them {unknown[0]}")
    digest = content_digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    if digest != entry.content:
        raise UserError(f"{wrong}: its content has the digest {digest}; allowed: {entry.content}")
    return files, digest, [name for name, relative in below.items() if is_clutter(relative)]


def _below_root(names: Iterable[PurePosixPath], tops: Collection[str]) -> dict[PurePosixPath, PurePosixPath]:
    """The path below the root of each file in one of ``tops``; the root is the outermost folder with most of these."""
    roots: dict[PurePosixPath, dict[PurePosixPath, PurePosixPath]] = defaultdict(dict)
    for name in names:
        for depth, part in enumerate(name.parts):
            if part in tops:
                roots[PurePosixPath(*name.parts[:depth])][name] = PurePosixPath(*name.parts[depth:])

    def rank(root: PurePosixPath) -> tuple[int, int, PurePosixPath]:
        return -len({file.parts[0] for file in roots[root].values()}), len(root.parts), root

    root = min((root for root in roots if not is_clutter(root)), key=rank, default=None)
    return {} if root is None else roots[root]
