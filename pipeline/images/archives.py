"""Readers of the image archives, one per layout, behind one interface: a verified file in, images and labels out.

Nothing is unpacked to disk: members are read in memory, and only those whose names are expected. No pickle is read.
"""

import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pipeline.files.dataset import Split, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images.catalogue import Entry
from pipeline.images.splitting import stratified

# Of a data set that its authors did not divide.
TEST_FRACTION = 0.2

# A record of the binary layout: the label, then 1,024 red, green and blue bytes each, row by row.
_RECORD = 1 + 3 * 32 * 32
_BINARY_MEMBERS = {
    "train": [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)],
    "test": ["cifar-10-batches-bin/test_batch.bin"],
}


def read(archive: Path, entry: Entry) -> TrainAndTest:
    """Decode ``archive``, which must have been verified against ``entry``.

    Raises :class:`UserError` that names the member: missing, of a wrong size, with an impossible label, or not an image
    of 32x32 pixels in colour; or the class of which there are too few or too many images.
    """
    images = _READERS[entry.layout](archive, entry)
    for name, per_class in (entry.images_per_class or {}).items():
        counts = np.bincount(getattr(images, name).labels, minlength=len(entry.class_names))
        for class_name, count in zip(entry.class_names, counts, strict=True):
            if count != per_class:
                raise UserError(f"{entry.name}: {count} {name} images of class {class_name}; allowed: {per_class}")
    return images


def _binary(archive: Path, entry: Entry) -> TrainAndTest:
    expected = [name for names in _BINARY_MEMBERS.values() for name in names]
    members = dict(_members(archive, set(expected)))

    def split(name: str) -> Split:
        records = np.concatenate([_records(member, members[member], entry) for member in _BINARY_MEMBERS[name]])
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return Split(np.ascontiguousarray(images), records[:, 0].copy())

    return TrainAndTest(split("train"), split("test"))


def _records(member: str, content: bytes, entry: Entry) -> npt.NDArray[np.uint8]:
    """The records of one member, uint8 (n, 3073)."""
    if len(content) % _RECORD:
        raise UserError(f"{entry.name}: {member} has {len(content)} bytes; allowed: a multiple of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(entry.class_names))
    if wrong.size:
        raise UserError(
            f"{entry.name}: {member} has label {records[wrong[0], 0]} in record {wrong[0]}; "
            f"allowed: 0 to {len(entry.class_names) - 1}"
        )
    return records


def _folders(archive: Path, entry: Entry) -> TrainAndTest:
    """``train/<class>/0000.jpg`` and so on, in the order of class and number."""
    assert entry.images_per_class is not None
    places: dict[str, tuple[str, int]] = {}
    splits: dict[str, Split] = {}
    for name, per_class in entry.images_per_class.items():
        count = per_class * len(entry.class_names)
        labels = np.repeat(np.arange(len(entry.class_names), dtype=np.uint8), per_class)
        splits[name] = Split(np.empty((count, 32, 32, 3), np.uint8), labels)
        for index in range(count):
            label, number = divmod(index, per_class)
            places[f"{name}/{entry.class_names[label]}/{number:04d}.jpg"] = (name, index)
    for member, content in _members(archive, set(places)):
        name, index = places[member]
        splits[name].images[index] = _pixels(member, content, entry)
    return TrainAndTest(splits["train"], splits["test"])


def _pixels(member: str, content: bytes, entry: Entry) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image)
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{entry.name}: {member} is not an image ({error})") from None
    if pixels.shape != (32, 32, 3):
        raise UserError(f"{entry.name}: {member} has shape {pixels.shape}; allowed: (32, 32, 3)")
    return pixels


def _digits(archive: Path, entry: Entry) -> TrainAndTest:
    """8x8 grey values from 0 to 16, enlarged to 32x32 in three equal channels; a fifth of each class is for testing."""
    table = np.loadtxt(archive, delimiter=",")
    grey = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=3)
    labels = table[:, 64].astype(np.uint8)
    return TrainAndTest(*stratified(Split(images, labels), TEST_FRACTION, seed=0))


def _members(archive: Path, expected: set[str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each expected regular file, in the archive's order; all others are passed over."""
    missing = set(expected)
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and member.name in missing else None
                if file is not None:
                    missing.discard(member.name)
                    yield member.name, file.read()
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise UserError(f"{archive}: not a readable tar archive ({error})") from None
    if missing:
        raise UserError(f"{archive}: {len(missing)} members are missing, among them {min(missing)}")


_READERS: dict[str, Callable[[Path, Entry], TrainAndTest]] = {"binary": _binary, "folders": _folders, "digits": _digits}
