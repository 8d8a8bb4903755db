"""Images of the user's own: a directory or tar archive whose folders are the classes."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.files.dataset import Split, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images.archives import TEST_FRACTION
from pipeline.images.decoding import decode
from pipeline.images.splitting import stratified

LAYOUTS = "train/CLASS/IMAGE and test/CLASS/IMAGE, or CLASS/IMAGE"
# Labels are bytes.
MOST_CLASSES = 256


def read(path: Path) -> tuple[TrainAndTest, tuple[str, ...], str]:
    """Decode all images below ``path``; return them, the class names in order, and a digest of names and contents.

    Without ``train`` and ``test`` a fifth of each class becomes the test split. Files whose names begin with a dot are
    passed over. Raises :class:`UserError` that names the file or class: not an image, in no class, a class that one of
    the splits lacks or that has too few images to be divided.
    """
    decoded, digests = {}, {}
    for name, content in _files(path):
        decoded[name] = decode(content, f"fetch.path: {name}")
        digests[name] = hashlib.sha256(content).hexdigest()
    places = _places(list(decoded))
    splits = sorted({split for split, _ in places.values()})
    classes = sorted({class_name for _, class_name in places.values()})
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(
            f"fetch.path: {path} has {len(classes)} classes; allowed: 2 to {MOST_CLASSES}, laid out {LAYOUTS}"
        )

    def split_of(wanted: str) -> Split:
        names = sorted(name for name, place in places.items() if place[0] == wanted)
        for class_name in sorted(set(classes) - {places[name][1] for name in names}):
            raise UserError(f"fetch.path: {path} has no images of class {class_name} in {wanted}")
        labels = [classes.index(places[name][1]) for name in names]
        return Split(np.stack([decoded[name] for name in names]), np.array(labels, np.uint8))

    if splits == ["test", "train"]:
        images = TrainAndTest(split_of("train"), split_of("test"))
    else:
        try:
            images = TrainAndTest(*stratified(split_of(splits[0]), TEST_FRACTION, seed=0))
        except ValueError as error:
            raise UserError(f"fetch.path: {path} cannot be divided into train and test: {error}") from None
    digest = hashlib.sha256("".join(f"{digests[name]} {name}\n" for name in sorted(digests)).encode()).hexdigest()
    return images, tuple(classes), digest


def _places(names: list[PurePosixPath]) -> dict[PurePosixPath, tuple[str, str]]:
    """Split ("" where the layout has none) and class of every file."""
    depth = 0
    # An archive often holds one folder that holds all else.
    while names and len({name.parts[depth] for name in names}) == 1 and all(len(n.parts) > depth + 2 for n in names):
        depth += 1
    divided = {name.parts[depth] for name in names} == {"train", "test"}
    result = {}
    for name in names:
        *folders, _ = name.parts[depth:]
        if len(folders) != (2 if divided else 1):
            raise UserError(f"fetch.path: {name} is in no class; allowed: {LAYOUTS}")
        result[name] = (folders[0] if divided else "", folders[-1])
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
