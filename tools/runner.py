"""Runs stages beside each other in the order of DVC's graph."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.runtime.signals import StopRequest
from tools import estimate, times
from tools.estimate import Estimate, spoken
from tools.graph import BusyError, Graph
from tools.screen import Screen, State, progress
from tools.times import Time

_POLL_SECONDS = 0.1
_SHOW_SECONDS = 0.5
_BUSY_SECONDS = 1.0


class Running(Protocol):
    """A stage that runs somewhere; see :class:`tools.stage_process.StageProcess`."""

    def poll(self) -> int | None: ...  # noqa: D102
    def stop(self, number: int) -> None: ...  # noqa: D102
    def line(self) -> str: ...  # noqa: D102
    def failure(self) -> str: ...  # noqa: D102
    def ran(self) -> bool: ...  # noqa: D102


class Place(Protocol):
    """Where stages run."""

    @property
    def here(self) -> bool:
        """Whether stages run on this machine, so that their times serve its estimates."""

    @property
    def jobs(self) -> int:
        """How many stages run beside each other."""

    def start(self, stage: str) -> Running:
        """Start a stage."""


@dataclass
class Result:
    """What became of the stages. ``failed`` has a line each, ``left_out`` the failed stage that each one needs."""

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    stopped: int | None = None


class Runner:
    """Brings all stages up to date and tells ``screen``. ``waiting`` are those that may have to run."""

    def __init__(self, graph: Graph, screen: Screen) -> None:
        self._graph, self._screen = graph, screen
        self._running: dict[str, tuple[Running, float]] = {}
        self._busy: dict[str, float] = {}
        self.result = Result()
        # Asked once: all others are up to date, whatever happens to these.
        with graph.locked():
            self._asked = {name for name in graph.needs if self._stale(name) is not False}
        self.waiting = graph.after(self._asked)
        self._total = len(self.waiting)
        self._ended: set[str] = set()

    def run(self, place: Place, outlook: Estimate, stop: StopRequest) -> Result:
        """Run what waits, ``place.jobs`` at a time; return when all have ended, or a signal has stopped them."""
        self._place, self._estimate, self._known = place, outlook, outlook.seconds
        shown = 0.0
        with self._screen:
            while self.waiting or self._running:
                if stop.number is not None:
                    self._stop(stop.number)
                    stop.number = None
                for name in list(self._running):
                    self._collect(name)
                if self.result.stopped is not None:
                    if not self._running:
                        break
                else:
                    self._start_ready()
                if time.monotonic() - shown >= _SHOW_SECONDS:
                    self._screen.show(self._state())
                    shown = time.monotonic()
                time.sleep(_POLL_SECONDS)
        return self.result

    def _stale(self, name: str) -> bool | None:
        """Whether a stage is stale now; None, for a moment, while another process works on its files."""
        if time.monotonic() < self._busy.get(name, 0.0):
            return None
        try:
            changed = self._graph.changed(name)
        except BusyError as error:
            if name not in self._busy:
                self._screen.say(f"{name}: waiting: {error}")
            self._busy[name] = time.monotonic() + _BUSY_SECONDS
            return None
        self._busy.pop(name, None)
        return changed

    def _start_ready(self) -> None:
        """Start stages whose predecessors have ended, those with the longest way to the end first."""
        free = self._place.jobs - len(self._running)
        ready = [name for name in self.waiting if not self._graph.needs[name] & (self.waiting | set(self._running))]
        if not ready or free <= 0:
            return
        paths = estimate.longest_paths(self._graph.needs, {name: self._known(name) for name in self.waiting})
        for name in sorted(ready, key=lambda name: (-paths[name], name)):
            # Its predecessors may have come out as they were.
            known = name in self._asked and not self._graph.needs[name] & self._ended and name not in self._busy
            stale = True if known else self._stale(name)
            if stale is False:
                self.waiting.remove(name)
                self._end(name, self.result.unchanged, "unchanged")
            elif stale:
                self.waiting.remove(name)
                if self._graph.cached(name):
                    self._estimate.cached.add(name)
                self._running[name] = self._place.start(name), time.monotonic()
                free -= 1
            if not free:
                return

    def _collect(self, name: str) -> None:
        """Take note of a stage that has ended."""
        running, began = self._running[name]
        code = running.poll()
        if code is None:
            return
        del self._running[name]
        seconds = time.monotonic() - began
        if code == 0:
            ran = running.ran()
            if ran:
                measured = Time(round(seconds, 1), self._estimate.multiply_adds.get(name), self._estimate.threads)
                self._estimate.measured(name, measured)
                if self._place.here:
                    times.record(name, measured)
            how = f"ran for {spoken(seconds)}" if ran else "taken from the run cache"
            self._end(name, self.result.ran if ran else self.result.cached, how)
        elif self.result.stopped is None:
            self.result.failed[name] = " ".join(running.failure().split())
            for follower in self._graph.after({name}) & self.waiting:
                self.result.left_out[follower] = name
                self.waiting.remove(follower)
            self._screen.ended(name, f"failed: {self.result.failed[name]}", self._state())

    def _end(self, name: str, among: list[str], how: str) -> None:
        among.append(name)
        self._ended.add(name)
        self._screen.ended(name, how, self._state())

    def _stop(self, number: int) -> None:
        """Let all running stages save their state and end; the second time, end them at once."""
        again = self.result.stopped is not None
        self.result.stopped = number
        self._screen.say("ending them at once" if again else "stopping: the running stages save their states and end")
        for running, _ in self._running.values():
            running.stop(signal.SIGKILL if again else number)

    def _state(self) -> State:
        running = {name: (running.line(), began) for name, (running, began) in self._running.items()}
        left = {name: self._left(name, line, began) for name, (line, began) in running.items()}
        seconds = {name: self._known(name) for name in self.waiting}
        return State(
            total=self._total,
            done=len(self._ended),
            failed=len(self.result.failed),
            waiting=len(self.waiting),
            running=running,
            seconds_left=estimate.duration(self._graph.needs, seconds, self._place.jobs, left),
        )

    def _left(self, name: str, line: str, began: float) -> float:
        """Seconds that a running stage will still take, by how far it says it is, or else by its estimate."""
        elapsed, done = time.monotonic() - began, progress(line)
        if done:
            return elapsed * (1 - done) / done
        return max(1.0, self._known(name) - elapsed)


@contextmanager
def alone(path: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the file ``path`` against other runners in this folder; yields its descriptor, for stages to inherit.

    So the stages of a runner that was killed hold it until the last has ended: they are waited for, which is said.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for the stages of process {os.pread(descriptor, 20, 0).decode() or '?'}, which run here")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)
