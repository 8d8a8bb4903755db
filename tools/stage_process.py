"""One stage in processes of its own, which end with whoever started them.

``python -m tools.stage_process LEASH STAGE NEEDED...`` is `dvc --wait-for-lock repro -s STAGE` at the head of a process
group. It watches the pipe LEASH: when that closes, because whoever holds its other end has ended, killed or not, the
group ends too. So no orphan trains on, on any system that has pipes and process groups. It ends last of its group.
Stages that are NEEDED are brought up to date before.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from dvc.cli import main as dvc
from filelock import FileLock

# Seconds in which a stage that was asked to stop saves its state, before it is killed.
GRACE_SECONDS = 20.0
# A stage that was asked to stop while it was starting did not hear it.
_REPEAT_SECONDS = 2.0
_TAIL_BYTES = 4096


class StageProcess:
    """A running `dvc --wait-for-lock repro -s` of one stage, whose output goes to the file ``log``.

    Its processes inherit the file descriptors ``inherited``; a program of the stage does not. In a clone that has not
    what the stage ``needs``, the stages of these names are taken from the run cache first.
    """

    def __init__(
        self, stage: str, log: Path, folder: Path, inherited: Sequence[int] = (), needs: Sequence[str] = ()
    ) -> None:
        self.stage, self.log = stage, log
        self._stopping: int | None = None
        self._asked = self._last_signal = 0.0
        leash, self._leash = os.pipe()
        log.parent.mkdir(parents=True, exist_ok=True)
        # A file and not a pipe: a stage that still saves its state can write when its reader is gone.
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 -- this module, no shell
                [sys.executable, "-m", __name__, str(leash), stage, *needs],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(leash, *inherited),
                process_group=0,
            )
        os.close(leash)

    def poll(self) -> int | None:
        """The exit code, or None while a process of the stage is alive. Repeats what :meth:`stop` asked for."""
        code = self._process.poll()
        if code is not None and not self._group_alive():
            if self._leash >= 0:
                os.close(self._leash)
                self._leash = -1
            return code
        if code is not None and self._stopping is None:
            # DVC was killed, by the system out of memory for example, and the program that it ran was not.
            self.stop(signal.SIGTERM)
        now = time.monotonic()
        if self._stopping is not None and now - self._last_signal >= _REPEAT_SECONDS:
            self._send(signal.SIGKILL if now - self._asked >= GRACE_SECONDS else self._stopping)
            if code is not None and now - self._asked >= GRACE_SECONDS + 2 * _REPEAT_SECONDS:
                # What survives SIGKILL is a zombie that no parent reaps.
                return code
        return None

    def stop(self, number: int) -> None:
        """Ask the stage to save its state and end, by the signal ``number``; SIGKILL ends it at once."""
        self._stopping, self._asked = number, time.monotonic()
        self._send(number)

    def line(self) -> str:
        """The last line that the stage has printed so far, or nothing."""
        lines = [line.strip() for line in _tail(self.log) if line.strip()]
        return lines[-1] if lines else ""

    def failure(self) -> str:
        """The line that says why the stage failed: the last of its own program, or else DVC's."""
        lines = [line.strip() for line in _tail(self.log) if line.strip()]
        own = [line for line in lines if not line.startswith(("ERROR:", ">", "Running stage", "warning:"))]
        errors = [line for line in lines if line.startswith("ERROR:")]
        of_program = any("failed to run:" in line for line in errors)
        return ((own if of_program else errors) or own or ["it printed nothing"])[-1]

    def ran(self) -> bool:
        """Whether the stage's program ran: else DVC took what it gives from the run cache, or found it unchanged."""
        output = self.log.read_text(encoding="utf-8", errors="replace")
        return re.search(r"^Running stage '", output, re.MULTILINE) is not None

    def _send(self, number: int) -> None:
        self._last_signal = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
            # One that is suspended would hear of it too late.
            os.killpg(self._process.pid, signal.SIGCONT)

    def _group_alive(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def _tail(log: Path) -> list[str]:
    """The last lines of a file; a carriage return, with which a progress bar rewrites its line, ends a line too."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return file.read().decode(errors="replace").replace("\r", "\n").split("\n")


def _follow(leash: int) -> None:
    """End this process group as soon as the other end of ``leash`` is closed."""
    os.read(leash, 1)
    _end_group(lambda: True)


def _end_group(alive: Callable[[], bool]) -> None:
    """As long as the processes of this group are ``alive``, let them save their states and end; then kill them."""
    end = time.monotonic() + GRACE_SECONDS
    while alive():
        os.killpg(0, signal.SIGTERM if time.monotonic() < end else signal.SIGKILL)
        time.sleep(_REPEAT_SECONDS)


def _others() -> bool:
    """Whether a process of this group but this one is alive."""
    alive = [
        process.pid for process in psutil.process_iter(["status"]) if process.info["status"] != psutil.STATUS_ZOMBIE
    ]
    for pid in set(alive) - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == os.getpgrp():
                return True
    return False


def main(leash: str, stage: str, *needs: str) -> int:
    """Run one stage by DVC, after what it ``needs``; return DVC's exit code."""
    # The stage's program saves its state and ends; DVC itself always finishes its entries in dvc.lock and its cache.
    # No SIG_IGN, which the program would inherit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_follow, args=(int(leash),), daemon=True).start()
    code = 0
    if needs:
        # One at a time: two that bring up to date the same stages would hinder each other.
        with FileLock(Path(".dvc/tmp/needs.lock")):
            code = int(dvc(["--wait-for-lock", "repro", *needs]))
    code = code or int(dvc(["--wait-for-lock", "repro", "--single-item", stage]))
    # Some shells in which DVC runs a program end at a signal before the program has saved its state.
    _end_group(_others)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
