"""Downloads that survive a broken connection: what has arrived is kept, and the rest is asked for."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from filelock import FileLock
from platformdirs import user_cache_path
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pipeline.files.artefacts import naming
from pipeline.files.errors import UserError

CONNECT_SECONDS, READ_SECONDS = 10, 30
# Waiting times before the second, third... attempt; an attempt that brought any bytes starts the row anew.
RETRY_SECONDS = (1.0, 2.0, 4.0)
_CHUNK = 1 << 20

Accepted = TypeVar("Accepted")


class _TransientError(Exception):
    """The server or the way to it failed in a way that may pass."""


_PASSING = (_TransientError, requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)


def download(
    url: str, largest: int, accept: Callable[[Path], Accepted], retry_seconds: Sequence[float] = RETRY_SECONDS
) -> Accepted:
    """Bring the file at ``url`` into the user's cache folder, if it is not there; return what ``accept`` makes of it.

    ``largest``: bytes after which to stop, because no file that is wanted is larger. ``accept`` raises for a file that
    is not the wanted one; such a file is removed, so that the next call starts afresh. A broken download goes on where
    it stopped, in this call or the next. ``retry_seconds``: waiting times between attempts. Raises
    :class:`UserError` that names the address and the cause.
    """
    try:
        name = Path(urlsplit(url).path).name
    except ValueError as error:
        raise UserError(f"{without_password(url)}: not an address ({error})") from None
    name = name if name not in ("", "..") else "archive"
    folder = user_cache_path("cifar10-dense-study") / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    complete, partial = folder / name, folder / f"{name}.part"
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            _fetch(url, partial, largest, retry_seconds)
        arrived = complete if complete.exists() else partial
        try:
            accepted = accept(arrived)
        except UserError as error:
            arrived.unlink()
            raise UserError(f"{without_password(url)}: not the file that is wanted, and removed: {error}") from None
        arrived.replace(complete)
    return accepted


def without_password(url: str) -> str:
    """``url`` without a password, which is nobody else's to read."""
    return re.sub("//[^/@]*@", "//", url)


def _fetch(url: str, partial: Path, largest: int, retry_seconds: Sequence[float]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(escape(without_password(url)), total=None)

        def on_bytes(arrived: int, total: int | None) -> None:
            progress.update(task, completed=arrived, total=total)

        failures, furthest = 0, _size(partial)
        while True:
            try:
                return _attempt(url, partial, largest, on_bytes)
            except _PASSING as e:
                failures = 0 if _size(partial) > furthest else failures + 1
                furthest = max(furthest, _size(partial))
                if failures > len(retry_seconds):
                    raise UserError(
                        f"{without_password(url)}: cannot be downloaded ({_cause(e)}); {_size(partial)} bytes are "
                        "kept. Run again to go on, or set CIFAR10_ARCHIVE to a copy of the archive"
                    ) from None
                time.sleep(retry_seconds[max(failures - 1, 0)])
            except requests.RequestException as error:
                raise UserError(f"{without_password(url)}: {_cause(error)}") from None


def _attempt(url: str, partial: Path, largest: int, on_bytes: Callable[[int, int | None], None]) -> None:
    """Ask for what is missing, once. Returns when the file is complete."""
    arrived = _size(partial)
    # A server that compressed on the way would count other bytes than those of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={arrived}-"} if arrived else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
        content_range = answer.headers.get("Content-Range", "")
        if answer.status_code == 416 and content_range == f"bytes */{arrived}":
            return
        resumed = answer.status_code == 206 and content_range.startswith(f"bytes {arrived}-")
        if answer.status_code in (206, 416) and not resumed:
            partial.unlink(missing_ok=True)
            raise _TransientError(f"the server's range {content_range!r} does not fit {arrived} bytes that had arrived")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _TransientError(f"{answer.status_code} {answer.reason}")
        answer.raise_for_status()
        if not resumed:
            arrived = 0
        length = answer.headers.get("Content-Length")
        total = arrived + int(length) if length and length.isdigit() else None
        with partial.open("ab" if resumed else "wb") as file:
            # read1 gives what has arrived: a larger read would lose it when the connection breaks.
            while chunk := answer.raw.read1(_CHUNK):
                arrived += len(chunk)
                if arrived > largest:
                    file.truncate(0)
                    raise requests.RequestException(
                        f"larger than {largest} bytes, the largest archive that is accepted"
                    )
                with naming(partial):
                    file.write(chunk)
                    file.flush()
                on_bytes(arrived, total)
        if total is not None and arrived < total:
            raise _TransientError(f"the connection ended after {arrived} of {total} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _cause(error: Exception) -> str:
    """The innermost reason in few words: requests wraps the system's own message several times."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error).split(": ", 1)[-1].rstrip(")") if ">: " in str(error) else str(error)
