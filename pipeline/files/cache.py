"""What DVC's cache can bring back."""

import hashlib
from pathlib import Path
from typing import Any

from dvc.repo import Repo


def is_cached(path: Path) -> bool:
    """Whether DVC's cache holds the content of the file ``path``, or of every file below it.

    False for links, for other things that are no files, and for empty folders.
    """
    return _holds(Repo().cache.local, path)


def _holds(cache: Any, path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.is_dir():
        entries = list(path.iterdir())
        return bool(entries) and all(_holds(cache, entry) for entry in entries)
    return path.is_file() and cache.exists(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())
