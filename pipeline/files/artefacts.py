"""Atomic, byte-stable writing: a file is there whole or not at all, and the same content gives the same bytes."""

import contextlib
import csv
import hashlib
import io
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pipeline.files.errors import UserError

DECIMALS = 6

# How a file that cannot be read comes back.
AGAIN = "'dvc checkout' or 'git checkout' brings it back, 'dvc repro -f -s' with its stage makes it anew"


@runtime_checkable
class Jsonable(Protocol):
    """A type that says what it is in JSON."""

    def as_json(self) -> dict[str, Any]:
        """The content of a JSON file."""


@contextlib.contextmanager
def atomic_write(path: Path, *, fsync: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``path``: on success it takes that place, after an error it is removed.

    Where ``fsync``, the content is on the disk before the name changes. Raises OSError that names ``path`` where it
    cannot be written.
    """
    # A process id alone is no name: containers that share a folder have the same ones.
    temporary = path.with_name(f".{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    with naming(path, temporary):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if fsync:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            # What cannot be written can often not be removed either: the first error is the one to tell.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def all_or_none(folder: Path) -> Iterator[None]:
    """Within it ``folder`` is filled; after an error it is removed, so that no part of it is taken for the whole."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def naming(path: Path, *others: Path) -> Iterator[None]:
    """Within it, an OSError that names no file, or one of ``others``, names ``path``, with the system's reason.

    A full disk is told by the write, which knows no name; HDF5 buries the reason in a paragraph.
    """
    try:
        yield
    except OSError as error:
        if type(error).__module__ != "builtins" or error.filename not in (None, *others, *map(str, others)):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error).partition("\n")[0]
        raise OSError(error.errno, reason, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends it has."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` with sorted keys and every float rounded to six decimals."""
    write_text(path, json.dumps(_rounded(content), indent=2, sort_keys=True) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows``, all with the names of the first, with every float rounded to six decimals."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _rounded(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Entry(dict[str, Any]):
    """A mapping of the file ``path``: what is not in it is an error that names both."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise UserError(f"{self._path} has no {key!r}; {AGAIN}")


def read_csv(path: Path, delimiter: str = ",") -> list[Entry]:
    """The rows of a table, all values as text. Raises :class:`UserError` where it is damaged."""
    with _damage_told(path):
        text = path.read_text(encoding="utf-8")
        rows = [Entry(path, row) for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)]
        if not text.endswith("\n") or any(None in (*row, *row.values()) for row in rows):
            raise ValueError("a row is cut short")
    return rows


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises :class:`UserError` where it is damaged."""
    with _damage_told(path):
        return json.loads(path.read_text(encoding="utf-8"), object_hook=lambda values: Entry(path, values))


def read_array(path: Path, mmap_mode: Literal["r"] | None = None) -> npt.NDArray[Any]:
    """The array of a .npy file, in memory or mapped into it. Raises :class:`UserError` where it is damaged."""
    with _damage_told(path):
        array: npt.NDArray[Any] = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("several arrays")
    return array


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError) as error:
        raise UserError(f"{path} is damaged ({error}); {AGAIN}") from None


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write ``array`` in numpy's .npy format."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        # Through the file's own write: into a file itself numpy writes without telling why it could not.
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)


def _rounded(content: Any) -> Any:
    match content:
        case Jsonable():
            return _rounded(content.as_json())
        case float():
            return round(content, DECIMALS)
        case dict():
            return {str(key): _rounded(value) for key, value in content.items()}
        case list() | tuple():
            return [_rounded(value) for value in content]
    return content
