"""Images of the user's own: a directory or tar archive whose folders are the classes."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from sklearn.model_selection import train_test_split

from pipeline.common.archives import Images
from pipeline.common.command import UserError
from pipeline.common.data import Part
from pipeline.common.pictures import decode

LAYOUTS = "train/CLASS/IMAGE and test/CLASS/IMAGE, or CLASS/IMAGE"
# Labels are bytes.
MOST_CLASSES = 256
# Where there is no test part: of every class, as of digits.
TEST_FRACTION = 0.2


def read(path: Path) -> tuple[Images, tuple[str, ...], str]:
    """Decode all images below ``path``; return them, the class names in order, and a digest of names and contents.

    Without ``train`` and ``test`` a fifth of each class becomes the test part. Files whose names begin with a dot are
    passed over. Raises :class:`UserError` that names the file or class: not an image, in no class, a class that one of
    the parts lacks or that has too few images to be divided.
    """
    decoded, digests = {}, {}
    for name, content in _files(path):
        decoded[name] = decode(content, f"fetch.path: {name}")
        digests[name] = hashlib.sha256(content).hexdigest()
    places = _places(list(decoded))
    parts = sorted({part for part, _ in places.values()})
    classes = sorted({class_name for _, class_name in places.values()})
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(
            f"fetch.path: {path} has {len(classes)} classes; allowed: 2 to {MOST_CLASSES}, laid out {LAYOUTS}"
        )

    def part(wanted: str) -> Part:
        names = sorted(name for name, place in places.items() if place[0] == wanted)
        for class_name in sorted(set(classes) - {places[name][1] for name in names}):
            raise UserError(f"fetch.path: {path} has no images of class {class_name} in {wanted}")
        labels = [classes.index(places[name][1]) for name in names]
        return Part(np.stack([decoded[name] for name in names]), np.array(labels, np.uint8))

    images = Images(part("train"), part("test")) if parts == ["test", "train"] else _divided(part(parts[0]), path)
    digest = hashlib.sha256("".join(f"{digests[name]} {name}\n" for name in sorted(digests)).encode()).hexdigest()
    return images, tuple(classes), digest


def _divided(images: Part, path: Path) -> Images:
    rows = np.arange(len(images.labels))
    try:
        train, test = train_test_split(rows, test_size=TEST_FRACTION, random_state=0, stratify=images.labels)
    except ValueError as error:
        raise UserError(f"fetch.path: {path} cannot be divided into train and test: {error}") from None
    return Images(Part(images.images[train], images.labels[train]), Part(images.images[test], images.labels[test]))


def _places(names: list[PurePosixPath]) -> dict[PurePosixPath, tuple[str, str]]:
    """Part ("" where the layout has none) and class of every file."""
    depth = 0
    # An archive often holds one folder that holds all else.
    while names and len({name.parts[depth] for name in names}) == 1 and all(len(n.parts) > depth + 2 for n in names):
        depth += 1
    parted = {name.parts[depth] for name in names} == {"train", "test"}
    result = {}
    for name in names:
        *folders, _ = name.parts[depth:]
        if len(folders) != (2 if parted else 1):
            raise UserError(f"fetch.path: {name} is in no class; allowed: {LAYOUTS}")
        result[name] = (folders[0] if parted else "", folders[-1])
    return result


def _files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Name and content of every file."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            name = PurePosixPath(file.relative_to(path).as_posix())
            if file.is_file() and not _hidden(name):
                yield name, file.read_bytes()
        return
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                content = tar.extractfile(member) if member.isfile() and not _hidden(name) else None
                if content is not None:
                    yield name, content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"fetch.path is {path}; allowed: a directory or tar archive of {LAYOUTS} ({error})") from None


def _hidden(name: PurePosixPath) -> bool:
    return any(part.startswith(".") and part != "." for part in name.parts)
