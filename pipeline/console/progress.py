"""What a person sees while a run trains: a live line on a terminal, now and then a line in a log."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from pipeline.training.trainer import EpochResult, History

# The least time between two lines where there is no terminal.
LOG_SECONDS = 5.0


class LiveLine:
    """One line, on a terminal alone, that follows ``total`` epochs: bar, ``columns``, text."""

    def __init__(self, title: str, total: int, *columns: ProgressColumn) -> None:
        self._title = title
        self._console = Console(highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}", table_column=Column()),
            BarColumn(10, table_column=Column(min_width=10)),
            *columns,
            TextColumn("{task.fields[text]}", table_column=Column()),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, text="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class TrainingProgress(LiveLine):
    """Follows one seed of a run. ``title`` names both; ``images`` is the number of training images."""

    def __init__(self, title: str, epochs: int, images: int) -> None:
        columns = MofNCompleteColumn(table_column=Column(no_wrap=True)), TimeRemainingColumn()
        super().__init__(title, epochs, TextColumn("epoch"), *columns)
        self._images = images
        self._epochs = epochs
        self._last_line = time.monotonic()

    def on_epoch(self, epoch: EpochResult) -> None:
        """Say what the latest epoch gave."""
        text = (
            f"loss {epoch.train.loss:.4f}  accuracy {epoch.train.accuracy:.4f}  "
            f"val_loss {epoch.val.loss:.4f}  val_accuracy {epoch.val.accuracy:.4f}"
        )
        self._bar.update(self._task, completed=epoch.number, text=text)
        if self._bar.disable and time.monotonic() - self._last_line >= LOG_SECONDS:
            self._console.print(f"{self._title}  epoch {epoch.number}/{self._epochs}  {text}")
            self._last_line = time.monotonic()

    def on_end(self, history: History, kept_epoch: int, val: Mapping[str, float]) -> None:
        """Say how fast the seed was trained, and how good the model is that was kept."""
        seconds = history.seconds_per_epoch
        self._console.print(
            f"{self._title}: {len(history.epochs)} epochs in {sum(epoch.seconds for epoch in history.epochs):.1f} s "
            f"({seconds:.2f} s an epoch, {self._images / seconds:,.0f} images/s, validation included); "
            f"kept epoch {kept_epoch}: val_accuracy {val['accuracy']:.4f}, val_loss {val['loss']:.4f}"
        )
