"""What a person sees while a search runs: one live line on a terminal, and a line for every trial that has ended."""

import time
from collections.abc import Sequence

from pipeline.console.progress import LiveLine
from pipeline.search.trials import Trial
from pipeline.training.trainer import EpochResult


class SearchProgress(LiveLine):
    """Follows one search. ``trials`` and ``epochs``: how many are planned at most."""

    def __init__(self, title: str, trials: int, epochs: int) -> None:
        super().__init__(title, epochs)
        self._trials, self._epochs = trials, epochs
        self._ended: dict[str, Trial] = {}
        self._now = ""
        self._fresh_epochs = 0
        self._began = time.monotonic()

    def started(self, name: str, round_: int, max_epoch: int) -> None:
        """A trial begins or goes on."""
        self._now = f"trial {int(name) + 1} of {self._trials}, rung {round_ + 1}, epoch {{}} of {max_epoch}"

    def on_epoch(self, epoch: EpochResult) -> None:
        """An epoch of the running trial has ended."""
        self._bar.update(self._task, text=f"{self._now.format(epoch.number)}, {self._outlook()}")

    def ended(self, trial: Trial, *, fresh: bool) -> None:
        """A trial has ended: in this process if ``fresh``, else before."""
        self._ended[trial.name] = trial
        self._bar.update(self._task, completed=sum(other.epochs_trained for other in self._ended.values()))
        if fresh:
            self._fresh_epochs += trial.epochs_trained
            self.say(
                f"trial {int(trial.name) + 1} of {self._trials}, rung {trial.round + 1} ({trial.max_epoch} epochs): "
                f"val_accuracy {trial.val_accuracy:.4f}; {self._outlook()}"
            )

    def watch(self, recorded: Sequence[Trial], *, fresh: bool) -> None:
        """Take note of trials recorded since the last call, ``fresh`` ones in this search's time."""
        for trial in recorded:
            if trial.name not in self._ended:
                self.ended(trial, fresh=fresh)

    def say(self, message: str) -> None:
        """Print a line above the live one."""
        self._console.print(f"{self._title}: {message}")

    def _outlook(self) -> str:
        best = max((trial.val_accuracy for trial in self._ended.values()), default=0.0)
        left = self._epochs - sum(trial.epochs_trained for trial in self._ended.values())
        if not self._fresh_epochs:
            return f"best {best:.4f}"
        minutes = (time.monotonic() - self._began) / self._fresh_epochs * left / 60
        return f"best {best:.4f}, at most {minutes:.0f} min left"
