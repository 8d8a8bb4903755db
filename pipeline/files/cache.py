"""What may be removed: what DVC's cache can bring back, and what a killed process left unfinished."""

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from pipeline.files.errors import UserError

# How :func:`pipeline.files.artefacts.atomic_write` names a file until it is whole.
_UNFINISHED = re.compile(r"\..+-\d+-[0-9a-f]{8}-.+")


def is_cached(path: Path) -> bool:
    """Whether DVC's cache holds the content of the file ``path``, or of every file below it.

    False for links, for other things that are no files, and for empty folders.
    """
    return _holds(Repo().cache.local, path)


def remove_leftovers(paths: Sequence[Path]) -> Mapping[Path, str]:
    """Remove ``paths``, which belong to no run, so that nothing undeclared enters a dependency; return why, of each.

    No process may write below their folders meanwhile. Raises :class:`UserError` for the first that is neither
    unfinished nor in DVC's cache, before any is removed.
    """
    why = {path: _why_removable(path) for path in paths}
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return why


def _why_removable(path: Path) -> str:
    if _is_unfinished(path):
        return "which a process that was killed left unfinished"
    if is_cached(path):
        return "which is of no run and seed of params.yaml; DVC's cache keeps it"
    raise UserError(f"{path} is of no run and seed of params.yaml, and DVC's cache has no copy; move it away")


def _is_unfinished(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and _UNFINISHED.fullmatch(path.name) is not None


def _holds(cache: Any, path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.is_dir():
        entries = list(path.iterdir())
        return bool(entries) and all(_is_unfinished(entry) or _holds(cache, entry) for entry in entries)
    return path.is_file() and cache.exists(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())
