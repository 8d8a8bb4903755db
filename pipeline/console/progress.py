"""What a person sees while a run trains: a live line on a terminal, now and then a line in a log."""

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.files.names import counted
from pipeline.training.trainer import EpochResult, History

# The least time between two lines where there is no terminal.
LOG_SECONDS = 5.0
_GAP = "  "


def fitted(width: int, title: str, first: str, *others: str) -> str:
    """``title``, ``first`` and as many of ``others`` as ``width`` columns hold, in this order.

    A title that leaves no room for ``first`` loses its middle: its end names the seed.
    """
    room = width - len(_GAP + first)
    if len(title) > room:
        kept = max(room - 1, 0)
        title = f"{title[: kept - kept // 2]}…{title[len(title) - kept // 2 :]}"
    line = f"{title}{_GAP}{first}"
    for text in others:
        if len(line + _GAP + text) > width:
            break
        line += _GAP + text
    return line


def outlook(seconds: float) -> str:
    """So many ``seconds`` at most in words."""
    return f"at most {math.ceil(seconds / 60)} min left" if seconds >= 60 else "less than a minute left"


class Display:
    """What is drawn anew on a terminal while this is entered, and nowhere else; ``console``: another than stdout."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class LiveLine(Display):
    """One line that is rewritten, on a terminal alone: ``title``, and what :meth:`show` is told."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def show(self, first: str, *others: str) -> None:
        """Rewrite the line; what matters least stands last, and is left out where it does not fit."""
        if self._console.is_terminal:
            # Some terminals begin a new line as soon as one is full.
            line = fitted(self._console.width - 1, self._title, first, *others)
            self._live.update(Text(line, no_wrap=True), refresh=True)


class TrainingProgress(LiveLine):
    """Follows one seed of a run. ``title`` names both; ``images`` is the number of training images."""

    def __init__(self, title: str, epochs: int, images: int) -> None:
        super().__init__(title)
        self._images = images
        self._epochs = epochs
        self._seconds = 0.0
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        super().__enter__()
        self.show(f"epoch 0/{self._epochs}")
        return self

    def on_epoch(self, epoch: EpochResult) -> None:
        """Say what the latest epoch gave."""
        self._seconds += epoch.seconds
        number, place = epoch.number, f"epoch {epoch.number}/{self._epochs}"
        minutes, seconds = divmod(math.ceil(self._seconds / number * (self._epochs - number)), 60)
        train = f"loss {epoch.train.loss:.4f}", f"accuracy {epoch.train.accuracy:.4f}"
        val = f"val_loss {epoch.val.loss:.4f}", f"val_accuracy {epoch.val.accuracy:.4f}"
        self.show(place, f"{minutes}:{seconds:02} left", *reversed(val), *reversed(train))
        if not self._console.is_terminal and time.monotonic() - self._last_line >= LOG_SECONDS:
            self._console.print(_GAP.join([self._title, place, *train, *val]))
            self._last_line = time.monotonic()

    def on_end(self, history: History, kept_epoch: int, val: Mapping[str, float]) -> None:
        """Say how fast the seed was trained, and how good the model is that was kept."""
        total = sum(epoch.seconds for epoch in history.epochs)
        seconds = total / len(history.epochs)
        self._console.print(
            f"{self._title}: {counted(len(history.epochs), 'epoch')} in {total:.1f} s "
            f"({seconds:.2f} s an epoch, {self._images / seconds:,.0f} images/s, compilation and validation included); "
            f"kept epoch {kept_epoch}: val_accuracy {val['accuracy']:.4f}, val_loss {val['loss']:.4f}"
        )
