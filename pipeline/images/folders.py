"""What lies in folders: the files, what cannot be followed or listed, and clutter that is no image of anybody's."""

import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from pipeline.files.names import counted, printable

# In lower case, besides all hidden files, such as .DS_Store and .ipynb_checkpoints.
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}

EMPTY = "a folder without images"


def is_clutter(name: PurePath) -> bool:
    """Whether ``name``, a path below the folder that the user named, is hidden or left by a system, or lies in such."""
    return any((part.startswith(".") and part != "..") or part.lower() in _CLUTTER for part in name.parts)


def clutter_notice(names: Iterable[PurePath]) -> str:
    """One line that counts ``names``, which are clutter; empty where there are none."""
    first, *rest = [printable(str(name)) for name in sorted(names)] or [""]
    return first and f"passed over {counted(len(rest) + 1, 'hidden or system file')}, among them {first}"


def files(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, str], list[Path]]:
    """The files that ``paths`` name, and those in the folders among them, in the order of their names.

    Besides: what cannot be read, and why; and the clutter in the folders, which is not among the files. A folder that
    ``paths`` name and that holds neither files nor such is among what cannot be read.
    """
    found: list[Path] = []
    unreadable: dict[Path, str] = {}
    clutter: list[Path] = []
    for path in paths:
        before = len(found) + len(unreadable)
        for file, problem in walk(path) if path.is_dir() else [(path, None)]:
            if is_clutter(file.relative_to(path)):
                clutter.append(file)
            elif problem is None:
                found.append(file)
            elif problem != EMPTY:
                unreadable[file] = problem
        if len(found) + len(unreadable) == before:
            unreadable[path] = EMPTY
    return found, unreadable, clutter


def walk(
    folder: Path, enter: Callable[[Path], bool] = lambda folder: True, above: tuple[tuple[int, int], ...] = ()
) -> Iterable[tuple[Path, str | None]]:
    """Every file below ``folder`` in the order of names, with None, or with the reason why it cannot be read.

    Links are followed. A folder that is EMPTY, that cannot be listed or to which a link leads back is given as a file
    that cannot be read; one that ``enter`` refuses is left out. ``above``: device and inode of the folders that
    ``folder`` lies in.
    """
    try:
        status = folder.stat()
        children = sorted(folder.iterdir())
    except OSError as error:
        yield folder, error.strerror
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        yield folder, "a link to a folder that it lies in"
        return
    if not children:
        yield folder, EMPTY
    for child in children:
        try:
            mode = child.stat().st_mode
        except OSError as error:
            yield child, f"a link to {child.readlink()}: {error.strerror}" if child.is_symlink() else error.strerror
            continue
        if not stat.S_ISDIR(mode):
            yield child, None if stat.S_ISREG(mode) else "neither a file nor a folder"
        elif enter(child):
            yield from walk(child, enter, (*above, here))
