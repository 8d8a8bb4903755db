"""What a person sees while stages run beside each other: one live screen, or on a pipe a line for each that ends."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.text import Text

from pipeline.console.progress import Display
from tools.estimate import spoken

# At most so many running stages have a line of their own, and so many characters of their names.
_ROWS = 24
_NAME = 36


@dataclass
class State:
    """Where the stages are. ``running`` has of each its latest line and the time at which it began."""

    total: int
    done: int = 0
    failed: int = 0
    waiting: int = 0
    running: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    seconds_left: float | None = None

    @property
    def summary(self) -> str:
        """All in one line."""
        parts = [f"{self.done} of {self.total} stages done", f"{len(self.running)} running", f"{self.waiting} waiting"]
        parts += [f"{self.failed} failed"] if self.failed else []
        left = [f"about {spoken(self.seconds_left)} left"] if self.seconds_left is not None else []
        return "; ".join([", ".join(parts), *left])


class Screen(Display):
    """Shows a :class:`State` while it is entered."""

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self._console.print(message, markup=False)

    def ended(self, name: str, how: str, state: State) -> None:
        """A stage has ended; on a pipe, where nothing is live, the line also says where all are."""
        place = f"[{state.done + state.failed}/{state.total}] "
        left = (
            "" if self._console.is_terminal or state.seconds_left is None else f"; {state.summary.partition('; ')[2]}"
        )
        self.say(f"{place}{name}: {how}{left}")

    def show(self, state: State) -> None:
        """Draw the state; nothing on a pipe."""
        if not self._console.is_terminal:
            return
        now = time.monotonic()
        rows = sorted(state.running.items(), key=lambda entry: entry[1][1])
        names = [_short(name) for name, _ in rows]
        width = max(map(len, names), default=0)
        lines = [state.summary]
        for name, (_, (line, began)) in list(zip(names, rows, strict=True))[:_ROWS]:
            lines.append(f"{name:{width}}  {spoken(now - began):>9}  {latest(line)}")
        lines += [f"and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)


def _short(name: str) -> str:
    """Without its middle, where it is long: its end has the seed."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 16]}…{name[-15:]}"


def latest(line: str) -> str:
    """A stage's latest line without the title that begins it, which the screen has already."""
    found = re.search(r"(epoch|trial) \d+(/| of )\d+.*", line)
    # What DVC prints before the stage's program prints something.
    return found[0] if found else "starts" if not line or line.startswith((">", "Running stage ")) else line


def progress(line: str) -> float | None:
    """The fraction that is done by a stage's latest line, between 0 and 1; None where it does not say so."""
    found = re.search(r"(?:epoch|trial) (\d+)(?:/| of )(\d+)", line)
    return min(1.0, int(found[1]) / int(found[2])) if found and int(found[2]) else None
