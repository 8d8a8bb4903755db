"""Checkpoints of a run that is being trained, in the user's cache folder, so that a killed run goes on where it was.

DVC removes a stage's outputs before it runs, so checkpoints lie outside of them; there they also serve ``dvc exp run
--temp`` and queue workers. They are keyed by everything that the run depends on, and removed when the stage has written
its outputs.

Two locks keep processes apart: one beside the checkpoints, and one in the work tree for the outputs. Each lies in the
folder that it protects, so that hosts and containers meet where they share it and nowhere else. They are the kernel's
(flock), which frees them when their holder ends. This presumes that a shared folder hands them on to all its hosts, as
NFS and bind mounts of containers do; a mount with local locks (NFS with nolock) keeps apart the processes of one host.
"""

import functools
import hashlib
import io
import json
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pipeline.files.artefacts import atomic_write, read_json, write_json
from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.runtime import sources
from pipeline.runtime.fingerprints import installed
from pipeline.runtime.worktree import work_tree

VARIABLE = "CIFAR10_STATE"
_FOLDER = "cifar10-dense-study"
_KEY = re.compile("[0-9a-f]{20}")
_DIGEST_BYTES = 32
# Beside a run's checkpoints: which run it is, and the work trees that trained it, each with its host.
_RUN = "run.json"
# What a checkpoint holds: raise it when that changes.
_FORMAT = 1
# Where DVC keeps its own locks of a work tree.
_WORK_TREE_LOCKS = Path(".dvc", "tmp")


def folder() -> Path:
    """Where checkpoints lie: a folder in the one that CIFAR10_STATE names, or else in the user's cache.

    Raises :class:`UserError` where that variable holds a relative path: it would mean another folder in a queue worker.
    """
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_absolute():
        raise UserError(f"{VARIABLE} is {named}; allowed: an absolute path")
    return Path(named) / _FOLDER if named else user_cache_path(_FOLDER) / "state"


def run_key(configuration: Mapping[str, Any], splits: Sequence[Split], module: str) -> str:
    """A hash of what a run depends on: its configuration, the images and labels, the code that trains, the libraries.

    ``module`` is the one that trains.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, configuration], sort_keys=True).encode())
    for split in splits:
        for array in (split.images, split.labels):
            digest.update(np.ascontiguousarray(array).data)
    modules = sources.decisive(module)
    digest.update(json.dumps({name: sources.digest(name) for name in modules}).encode())
    digest.update(json.dumps({name: installed(name) for name in sources.libraries(modules)}).encode())
    return digest.hexdigest()[:20]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, a file each: of its seeds, or of a search's trials.

    Made by :func:`open_checkpoints`; ``path`` None: nothing can be kept.
    """

    path: Path | None

    def save(self, name: str, arrays: Sequence[npt.NDArray[Any]], metadata: Mapping[str, Any]) -> bool:
        """Write the checkpoint ``name``, whole or not at all; say why not, and return whether it was written.

        ``metadata`` is of what JSON can hold.
        """
        if self.path is None:
            return False
        content = io.BytesIO()
        np.savez(content, np.array(json.dumps(metadata)), *arrays, allow_pickle=False)
        payload = content.getvalue()
        try:
            # No fsync: a killed process loses nothing, and the checksum reveals a file cut short by a power failure.
            with atomic_write(self.path / f"{name}.checkpoint", fsync=False) as temporary:
                temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
        except OSError as error:
            _warn(
                f"the checkpoint cannot be written ({error.strerror}): "
                "a kill would lose what was trained since the last"
            )
            return False
        return True

    def load(self, name: str) -> tuple[list[npt.NDArray[Any]], dict[str, Any]] | None:
        """The checkpoint ``name`` as it was saved, or None where there is none or it is damaged."""
        path = self.path / f"{name}.checkpoint" if self.path is not None else None
        if path is None or not path.exists():
            return None
        content = path.read_bytes()
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            _warn(f"{path} is damaged and ignored: {name} starts afresh")
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            metadata, *arrays = (archive[name] for name in archive.files)
        return arrays, json.loads(str(metadata))

    def discard(self, name: str) -> None:
        """Remove the checkpoint ``name``."""
        if self.path is not None:
            (self.path / f"{name}.checkpoint").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the run's checkpoints, after its outputs have been written."""
        if self.path is not None:
            try:
                shutil.rmtree(self.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                _warn(f"{self.path} cannot be removed ({error.strerror}): the same run would go on from it, not train")


@contextmanager
def open_checkpoints(key: str, outputs: Path, *, alone: bool = True) -> Iterator[Checkpoints]:
    """Hold the checkpoints of the run ``key``, and the right to write ``outputs``, against other processes.

    Raises :class:`UserError` that names the process (the orphan of a killed dvc) that writes the same outputs. One in
    another folder (a queue worker) that trains the same run is waited for. Where their folder cannot be written or
    locked, a warning says so, and the run is trained all the same: without a lock also without the checkpoints of an
    earlier run. ``alone``: no other process writes there without a lock, so that what a kill in writing left can be
    removed.
    """
    path = folder() / key
    with ExitStack() as locks:
        try:
            locks.enter_context(_locked(str(_WORK_TREE_LOCKS.absolute() / _digest(str(outputs))), wait=False))
        except OSError as error:
            _warn(f"{error.filename}: {error.strerror}; nothing keeps another process from writing {outputs} too")
        locked = False
        try:
            locks.enter_context(_locked(key, wait=True))
            locked = True
            path.mkdir(exist_ok=True)
            for temporary in path.glob(".*") if alone else ():
                temporary.unlink()
            # The folder and the name tell: models/scale/deep/seed-100.keras, logs/tune/broad/trials.csv.
            trained_by = sorted({*_recorded(path)[1], _here()})
            write_json(path / _RUN, {"run": Path(*outputs.parts[1:-1]).as_posix(), "work_trees": trained_by})
        except OSError as error:
            _warn(
                f"{error.filename}: {error.strerror}; training goes on, but a kill would lose it. "
                f"{VARIABLE} may name a folder that can be written and locked"
            )
        yield Checkpoints(path if locked and path.is_dir() else None)


def clean(*, all_work_trees: bool) -> Iterator[str]:
    """Remove the checkpoints of runs that no process is training; yield a line for each run, also those that stay.

    Only of runs that this work tree alone has trained, unless ``all_work_trees``.
    """
    for path in sorted(path for path in folder().glob("*") if _KEY.fullmatch(path.name)):
        run, work_trees = _recorded(path)
        try:
            with _locked(path.name, wait=False):
                where = ", ".join(f"{place} on {host}" for host, place in work_trees) or "an unknown folder"
                described = f"{path}: {run}, {_progress(path)}, of {where}"
                if all_work_trees or work_trees == [_here()]:
                    shutil.rmtree(path)
                    yield f"removed {described}"
                else:
                    yield f"kept {described}; 'make clean-state ALL=1' removes it"
        except UserError as error:
            yield f"kept {path}: {run}; {error}"
        except OSError as error:
            yield f"kept {path}: {run}; {error.filename}: {error.strerror}"


def _here() -> tuple[str, str]:
    """Host and folder of this work tree."""
    return socket.gethostname(), str(work_tree(Path.cwd()))


def _recorded(path: Path) -> tuple[str, list[tuple[str, str]]]:
    """The run whose checkpoints are in ``path``, and host and folder of each work tree that trained it, sorted."""
    try:
        recorded = read_json(path / _RUN)
        return str(recorded["run"]), [(str(host), str(place)) for host, place in recorded["work_trees"]]
    except FileNotFoundError:
        return "unknown run", []
    except (OSError, UserError, ValueError, KeyError, TypeError) as error:
        _warn(f"{path / _RUN} cannot be read ({error}): which work trees trained this run is not known")
        return "unknown run", []


def _progress(path: Path) -> str:
    """How far the run came whose checkpoints are in ``path``, their age and their size."""
    files = [(file.stat(), file) for file in path.rglob("*") if file.is_file()]
    last, written = "before its first checkpoint", path.stat().st_mtime
    saved = sorted((stat.st_mtime, file.stem) for stat, file in files if file.suffix == ".checkpoint")
    if saved:
        written, name = saved[-1]
        _, metadata = Checkpoints(path).load(name) or ([], {})
        last = f"{name.replace('-', ' ')} after epoch {len(metadata['epochs']) if 'epochs' in metadata else '?'}"
    return f"{last}, {_age(time.time() - written)} old, {sum(stat.st_size for stat, _ in files) / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} min"


@contextmanager
def _locked(name: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock ``name``, a path that may be absolute. While another process does, wait, or raise UserError."""
    base = folder() / name
    # Without flock, a lock would be a file that outlives a holder that was killed, on another host for ever.
    owner, lock = base.with_suffix(".owner"), FileLock(base.with_suffix(".lock"), fallback_to_soft=False)
    base.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        other = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
        if not wait:
            raise UserError(f"{other} is training this run; stop it, and run again to continue") from None
        _warn(f"{other} is training the same run; waiting for it")
        lock.acquire()
    except OSError as error:
        raise OSError(error.errno, error.strerror, lock.lock_file) from None
    try:
        with suppress(OSError):
            owner.write_bytes(
                f"process {os.getpid()} on {socket.gethostname()} in {Path.cwd()}".encode(errors="replace")
            )
        yield
    finally:
        # Whoever waits for the lock notices that its file is gone, and makes a new one.
        with suppress(OSError):
            owner.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:20]


@functools.cache
def _warn(message: str) -> None:
    """Say ``message``, once."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
