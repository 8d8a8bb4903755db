"""What a person sees while a search runs: one live line on a terminal, and a line for every trial that has ended."""

import time
from collections.abc import Sequence

from pipeline.console.progress import LiveLine, outlook
from pipeline.files.names import counted
from pipeline.search.trials import Trial
from pipeline.training.trainer import EpochResult


class SearchProgress(LiveLine):
    """Follows one search. ``trials`` and ``epochs``: how many are planned at most."""

    def __init__(self, title: str, trials: int, epochs: int) -> None:
        super().__init__(title)
        self._trials, self._epochs = trials, epochs
        self._ended: dict[str, Trial] = {}
        self._running, self._rung, self._max_epoch = "", 0, 0
        self._fresh_epochs = 0
        self._began = time.monotonic()

    def started(self, name: str, round_: int, max_epoch: int) -> None:
        """A trial begins or goes on."""
        self._running, self._rung, self._max_epoch = self._place(name), round_ + 1, max_epoch
        self.show(self._running, *self._outlook(), f"rung {self._rung}")

    def on_epoch(self, epoch: EpochResult) -> None:
        """An epoch of the running trial has ended."""
        within = f"rung {self._rung}, epoch {epoch.number} of {self._max_epoch}"
        self.show(self._running, *self._outlook(), within)

    def ended(self, trial: Trial, *, fresh: bool) -> None:
        """A trial has ended: in this process if ``fresh``, else before."""
        self._ended[trial.name] = trial
        self.show(f"{len(self._ended)} of {counted(self._trials, 'trial')} ended", *self._outlook())
        if fresh:
            self._fresh_epochs += trial.epochs_trained
            self.say(
                f"{self._place(trial.name)}, rung {trial.round + 1} ({counted(trial.max_epoch, 'epoch')}): "
                f"val_accuracy {trial.val_accuracy:.4f}; {', '.join(self._outlook())}"
            )

    def watch(self, recorded: Sequence[Trial], *, fresh: bool) -> None:
        """Take note of trials recorded since the last call, ``fresh`` ones in this search's time."""
        for trial in recorded:
            if trial.name not in self._ended:
                self.ended(trial, fresh=fresh)

    def say(self, message: str) -> None:
        """Print a line above the live one."""
        self._console.print(f"{self._title}: {message}")

    def _place(self, name: str) -> str:
        return f"trial {int(name) + 1} of {self._trials}"

    def _outlook(self) -> list[str]:
        """The best validation accuracy, and the time that the planned epochs take at most."""
        texts = [f"best {max((trial.val_accuracy for trial in self._ended.values()), default=0.0):.4f}"]
        left = self._epochs - sum(trial.epochs_trained for trial in self._ended.values())
        if self._fresh_epochs and left > 0:
            texts.append(outlook((time.monotonic() - self._began) / self._fresh_epochs * left))
        return texts
