"""What a Dask worker does for the caller, in the clone in which it was started.

These functions travel to the worker as they are here: its clone may be of a commit that has no such module.
"""

import hashlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TOPIC = "stages"
# What decides the result of a stage, beside the commit: all that may be changed and not committed.
_SOURCES = ("params.yaml", "dvc.yaml", "requirements.lock", "pipeline")
# A file that another host has made on a network file system is not there at once.
_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.2
_TELL_SECONDS = 1.0


def identity(libraries: Sequence[str], token: str) -> dict[str, str]:
    """All that must be the same on two machines whose stages give the same bytes and meet in one cache.

    ``libraries`` are the distributions whose versions count, and ``token`` is a file in the caller's cache.
    """
    folder = Path.cwd()
    found = {"folder": f"{platform.node()}:{folder}", "Python": ".".join(platform.python_version_tuple()[:2])}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return found | {"commit": "none: it was not started in a clone"}
    found["commit"] = commit.stdout.strip()
    for source in _SOURCES:
        paths = sorted(path for path in (folder / source, *(folder / source).rglob("*")) if path.is_file())
        kept = [path for path in paths if path.suffix != ".pyc"]
        for path in kept:
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "none"
    found["cache"] = _cache(folder, token)
    return found


def _cache(folder: Path, token: str) -> str:
    """The token, if DVC's cache of the clone has it, or else the folder of that cache."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError as error:
        return str(error)
    try:
        cache = Path(Repo(str(folder)).cache.legacy.path)
    except DvcException as error:
        return str(error)
    end = time.monotonic() + _PATIENCE_SECONDS
    while not (cache / token).exists():
        if time.monotonic() > end or not cache.exists():
            return str(cache)
        time.sleep(_POLL_SECONDS)
    return token


def run_stage(stage: str, needs: Sequence[str]) -> dict[str, Any]:
    """Run a stage by DVC, after what it ``needs`` has been taken from the run cache; say how it went.

    Returns its exit code, whether its program ran, and if it failed its line. Ends it when nobody wants it any more:
    the caller has stopped, was killed, or lost its connection.
    """
    from distributed import get_worker

    folder = Path.cwd()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from tools.stage_process import StageProcess

    worker = get_worker()
    key = worker.get_current_task()
    log = folder / ".dvc" / "tmp" / "stages" / f"{hashlib.sha256(stage.encode()).hexdigest()[:20]}.log"
    process = StageProcess(stage, log, folder, needs=needs)
    told, line, stopping = 0.0, "", False
    while (code := process.poll()) is None:
        time.sleep(_POLL_SECONDS)
        task = worker.state.tasks.get(key)
        if not stopping and (task is None or task.state != "executing"):
            process.stop(signal.SIGTERM)
            stopping = True
        if time.monotonic() - told >= _TELL_SECONDS and process.line() != line:
            told, line = time.monotonic(), process.line()
            worker.log_event(TOPIC, {"stage": stage, "line": line})
    where = f"{platform.node()}:{os.fspath(log)}"
    return {
        "code": code,
        "ran": code == 0 and process.ran(),
        "failure": process.failure() if code else "",
        "log": where,
    }
