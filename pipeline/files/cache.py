"""What DVC's cache can bring back."""

import hashlib
from pathlib import Path

from dvc.repo import Repo


def is_cached(path: Path) -> bool:
    """Whether DVC's cache holds the content of the file ``path``, or of every file below it."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    cache = Repo().cache.local
    return all(cache.exists(hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()) for file in files)
