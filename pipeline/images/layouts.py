"""The layouts of known data sets, behind one interface: verified files in, images and labels out. No pickle is read."""

import gzip
import io
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pipeline.files.dataset import Split, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.files.names import counted
from pipeline.images.catalogue import Entry, Files
from pipeline.images.splitting import TEST_FRACTION, stratified

# A record of the binary layout: the label, then 1,024 red, green and blue bytes each, row by row.
_RECORD = 1 + 3 * 32 * 32
_BINARY_FILES = {
    "train": [PurePosixPath(f"data_batch_{number}.bin") for number in range(1, 6)],
    "test": [PurePosixPath("test_batch.bin")],
}
_DIGITS_FILE = PurePosixPath("digits.csv.gz")


def expected(entry: Entry) -> list[PurePosixPath]:
    """The files of the data set ``entry``, by path below its root."""
    match entry.layout:
        case "binary":
            return [name for names in _BINARY_FILES.values() for name in names]
        case "folders":
            return [name for split in _folder_files(entry).values() for name in split]
        case "digits":
            return [_DIGITS_FILE]


def decode(files: Files, entry: Entry) -> TrainAndTest:
    """Decode ``files``, which must be those that are :func:`expected`, and verified.

    Raises :class:`UserError` that names the file: of a wrong size, with an impossible label, or not an image of 32x32
    pixels in colour; or the class of which there are too few or too many images.
    """
    images = _DECODERS[entry.layout](files, entry)
    for name, per_class in (entry.images_per_class or {}).items():
        counts = np.bincount(getattr(images, name).labels, minlength=len(entry.class_names))
        for class_name, count in zip(entry.class_names, counts, strict=True):
            if count != per_class:
                raise UserError(f"{counted(count, f'{name} image')} of class {class_name}; allowed: {per_class}")
    return images


def _binary(files: Files, entry: Entry) -> TrainAndTest:
    def split(name: str) -> Split:
        records = np.concatenate([_records(file, files[file], entry) for file in _BINARY_FILES[name]])
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return Split(np.ascontiguousarray(images), records[:, 0].copy())

    return TrainAndTest(split("train"), split("test"))


def _records(file: PurePosixPath, content: bytes, entry: Entry) -> npt.NDArray[np.uint8]:
    """The records of one file, uint8 (n, 3073)."""
    if len(content) % _RECORD:
        raise UserError(f"{file} has {len(content)} bytes; allowed: a multiple of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(entry.class_names))
    if wrong.size:
        raise UserError(
            f"{file} has label {records[wrong[0], 0]} in record {wrong[0]}; allowed: 0 to {len(entry.class_names) - 1}"
        )
    return records


def _folder_files(entry: Entry) -> dict[str, list[PurePosixPath]]:
    """``train/<class>/0000.jpg`` and so on, in the order of class and number, by split."""
    return {
        split: [
            PurePosixPath(split, class_name, f"{number:04d}.jpg")
            for class_name in entry.class_names
            for number in range(per_class)
        ]
        for split, per_class in (entry.images_per_class or {}).items()
    }


def _folders(files: Files, entry: Entry) -> TrainAndTest:
    def split(name: str) -> Split:
        names = _folder_files(entry)[name]
        labels = [entry.class_names.index(file.parts[1]) for file in names]
        return Split(np.stack([_pixels(file, files[file]) for file in names]), np.array(labels, np.uint8))

    return TrainAndTest(split("train"), split("test"))


def _pixels(file: PurePosixPath, content: bytes) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image)
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{file} is not an image ({error})") from None
    if pixels.shape != (32, 32, 3):
        raise UserError(f"{file} has shape {pixels.shape}; allowed: (32, 32, 3)")
    return pixels


def _digits(files: Files, entry: Entry) -> TrainAndTest:
    """8x8 grey values from 0 to 16, enlarged to 32x32 in three equal channels; a fifth of each class is for testing."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(files[_DIGITS_FILE])), delimiter=",")
    grey = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=3)
    labels = table[:, 64].astype(np.uint8)
    return TrainAndTest(*stratified(Split(images, labels), TEST_FRACTION, seed=0))


_DECODERS: dict[str, Callable[[Files, Entry], TrainAndTest]] = {
    "binary": _binary,
    "folders": _folders,
    "digits": _digits,
}
