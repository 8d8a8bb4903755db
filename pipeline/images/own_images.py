"""Images of the user's own: a folder, tar or zip archive whose folders are the classes."""

import hashlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.files.dataset import Split, TrainAndTest
from pipeline.files.errors import UserError
from pipeline.files.names import counted, is_printable, printable
from pipeline.images import archives
from pipeline.images.catalogue import content_digest
from pipeline.images.decoding import decode
from pipeline.images.folders import EMPTY, is_clutter
from pipeline.images.splitting import TEST_FRACTION, stratified

LAYOUTS = "train/CLASS/IMAGE and test/CLASS/IMAGE, or CLASS/IMAGE"
# Labels are bytes.
MOST_CLASSES = 256

# Every class is trained on, validated on and tested on; "" is the split of the layout that has none.
_LEAST = {"train": 2, "test": 1, "": 3}


def read(path: Path) -> tuple[TrainAndTest, tuple[str, ...], str, list[PurePosixPath]]:
    """Decode all images below ``path``; return them, the class names in order, the digest of the files, and clutter.

    Without ``train`` and ``test`` a fifth of each class becomes the test split. Clutter is passed over. Raises
    :class:`UserError` that names the file or class: unreadable, not an image, in no class, a class of which a split has
    too few images.
    """
    if not path.exists():
        raise UserError(f"fetch.path is {path}; allowed: a directory, tar or zip archive of {LAYOUTS}")
    clutter: list[PurePosixPath] = []

    def choose(names: Collection[PurePosixPath]) -> set[PurePosixPath]:
        clutter.extend(filter(is_clutter, names))
        return set(names) - set(clutter)

    decoded, digests = {}, {}
    for name, content in archives.read(path, choose):
        decoded[name] = decode(content, f"fetch.path: {name}")
        digests[name] = hashlib.sha256(content).hexdigest()
    # Of a class that has clutter alone nothing else would tell.
    full = {parent for name in decoded for parent in name.parents}
    for name in clutter:
        if name.parent not in full and not is_clutter(name.parent):
            raise UserError(f"{printable(str(path / name.parent))}: {EMPTY}")
    below = _below_root(sorted(decoded))
    classes = sorted({name.parts[-2] for name in below.values()})
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(
            f"fetch.path: the number of classes in {path} is {len(classes)}; allowed: 2 to {MOST_CLASSES}, laid out "
            f"{LAYOUTS}"
        )
    for class_name in classes:
        if not is_printable(class_name):
            raise UserError(
                f"fetch.path: {path} has a class named {printable(class_name)}; "
                "allowed: UTF-8 without tabs, line ends and other control characters"
            )

    def split_of(split: str) -> Split:
        chosen = [name for name in sorted(below) if split in ("", below[name].parts[0])]
        labels = [below[name].parts[-2] for name in chosen]
        counts = Counter(labels)
        for class_name in classes:
            if counts[class_name] < _LEAST[split]:
                found = f"{counted(counts[class_name], 'image')} of class {class_name}{split and f' in {split}'}"
                raise UserError(f"fetch.path: {path} has {found}; allowed: {_LEAST[split]} at least")
        images = np.stack([decoded[name] for name in chosen])
        return Split(images, np.array([classes.index(label) for label in labels], np.uint8))

    if {len(name.parts) for name in below.values()} == {3}:
        images = TrainAndTest(split_of("train"), split_of("test"))
    else:
        whole = split_of("")
        # Of very few images a fifth is less than one of each class.
        fraction = max(TEST_FRACTION, len(classes) / len(whole.labels))
        images = TrainAndTest(*stratified(whole, fraction, seed=0))
    digest = content_digest({name: digests[original] for original, name in below.items()})
    return images, tuple(classes), digest, clutter


def _below_root(names: list[PurePosixPath]) -> dict[PurePosixPath, PurePosixPath]:
    """Of every file the path below the folder that holds the classes, or train and test."""
    depth = 0
    # An archive often holds one folder that holds all else.
    while names and len({name.parts[depth] for name in names}) == 1 and all(len(n.parts) > depth + 2 for n in names):
        depth += 1
    divided = {name.parts[depth] for name in names} == {"train", "test"}
    for name in names:
        if len(name.parts) - depth != (3 if divided else 2):
            raise UserError(f"fetch.path: {printable(str(name))} is in no class; allowed: {LAYOUTS}")
    return {name: PurePosixPath(*name.parts[depth:]) for name in names}
