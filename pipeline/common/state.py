"""The state of a run that is being trained, in the user's cache folder, so that a killed run goes on where it was.

DVC removes a stage's outputs before it runs and after it fails, so the state lies outside of them; there it also serves
``dvc exp run --temp`` and queue workers. It is keyed by everything that the run depends on, and removed when the stage
has written its outputs.
"""

import hashlib
import io
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pipeline.common.artefacts import replacing
from pipeline.common.command import UserError
from pipeline.common.data import Part

VARIABLE = "CIFAR10_STATE"
_DIGEST_BYTES = 32


def folder() -> Path:
    """Where states lie: the folder that CIFAR10_STATE names, or one in the user's cache."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("cifar10-dense-study") / "state"


def key(configuration: Mapping[str, Any], parts: Sequence[Part], modules: Sequence[str]) -> str:
    """A hash of what a run depends on: its configuration, the images and labels, the code that trains, the libraries.

    ``modules`` are the names of imported modules.
    """
    digest = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode())
    for part in parts:
        for array in (part.images, part.labels):
            digest.update(np.ascontiguousarray(array).data)
    for module in sorted(modules):
        digest.update(Path(str(sys.modules[module].__file__)).read_bytes())
    for library in ("keras", "numpy", "tensorflow"):
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()[:20]


@dataclass(frozen=True)
class Store:
    """The states of one run: a file per seed. Made by :func:`opened`; ``path`` None: nothing can be kept."""

    path: Path | None

    def save(self, seed: int, arrays: Sequence[npt.NDArray[Any]], facts: Mapping[str, Any]) -> bool:
        """Write the state of ``seed``, whole or not at all; say why not, once, and return whether it was written.

        ``facts`` is of what JSON can hold.
        """
        if self.path is None:
            return False
        content = io.BytesIO()
        np.savez(content, np.array(json.dumps(facts)), *arrays, allow_pickle=False)
        payload = content.getvalue()
        try:
            with replacing(self.path / f"seed-{seed}.state") as temporary:
                temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
        except OSError as error:
            _warn(f"the state cannot be written ({error.strerror}): a kill would lose what was trained since the last")
            return False
        return True

    def load(self, seed: int) -> tuple[list[npt.NDArray[Any]], dict[str, Any]] | None:
        """The state of ``seed`` as it was saved, or None where there is none or it is damaged."""
        path = self.path / f"seed-{seed}.state" if self.path is not None else None
        if path is None or not path.exists():
            return None
        content = path.read_bytes()
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            _warn(f"{path} is damaged and ignored: seed {seed} starts afresh")
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            facts, *arrays = (archive[name] for name in archive.files)
        return arrays, json.loads(str(facts))

    def remove(self) -> None:
        """Remove the run's states, after its outputs have been written."""
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def opened(run_key: str) -> Iterator[Store]:
    """Hold the states of the run ``run_key`` against other processes.

    A process in this folder (the orphan of a killed dvc) that trains the same run ends in a :class:`UserError` that
    names it; one in another folder (a queue worker) is waited for. Where the state's folder cannot be written, a
    warning says so and the run is trained without.
    """
    path = folder() / run_key
    owner = path.with_suffix(".owner")
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _wait(lock, owner)
        with replacing(owner) as temporary:
            temporary.write_text(f"process {os.getpid()} on {socket.gethostname()} in {Path.cwd()}")
    except OSError as error:
        lock.release()
        _warn(
            f"{path}: {error.strerror}; training goes on, but a kill would lose it. "
            f"{VARIABLE} may name a folder that can be written"
        )
        yield Store(None)
        return
    try:
        yield Store(path)
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _wait(lock: FileLock, owner: Path) -> None:
    other = owner.read_text() if owner.exists() else "another process"
    if other.endswith(f" in {Path.cwd()}"):
        raise UserError(f"{other} is training the same run; stop it, or wait for it, and run again to continue")
    _warn(f"{other} is training the same run; waiting for it (stop it, and its work is continued here)")
    lock.acquire()


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
