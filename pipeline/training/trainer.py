"""One seed of one run: epoch after epoch, early stopping, the weights that are kept, and a checkpoint to go on from."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.files.errors import UserError
from pipeline.params.recipe import Recipe
from pipeline.runtime.checkpoints import Checkpoints
from pipeline.runtime.signals import StopRequest
from pipeline.training.epoch import CompiledEpoch, LossAndAccuracy, Progress

# A kill costs at most so much training, or an epoch where that is longer.
SAVE_SECONDS = 10.0


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gave. ``number`` counts from 1; ``seconds`` is for the console and never written to an output."""

    number: int
    train: LossAndAccuracy
    val: LossAndAccuracy
    seconds: float


class DivergedError(UserError):
    """The loss is no longer a finite number after so many ``epochs``."""

    reason = "diverged"

    def __init__(self, message: str, epochs: int) -> None:
        super().__init__(message)
        self.epochs = epochs


@dataclass
class History:
    """All epochs of one seed so far."""

    epochs: list[EpochResult]

    @property
    def best_epoch(self) -> int:
        """The number of the epoch whose val_loss is the lowest; of equals the first. 0 before the first epoch."""
        return min(self.epochs, key=lambda epoch: epoch.val.loss).number if self.epochs else 0

    def kept_epoch(self, recipe: Recipe) -> int:
        """The number of the epoch whose weights are kept: the best with early stopping, else the last."""
        return len(self.epochs) if recipe.patience is None else self.best_epoch


class Trainer:
    """Trains the model of ``epoch`` from the initial weights that follow from ``seed``.

    It goes on from its checkpoint, if there is one, and ends as if it had never been interrupted. ``names``: first
    that of its checkpoint, then those that it goes on from where that is missing. ``keep_best``: whether the weights of
    the best epoch are remembered for :attr:`kept_weights`. ``save_seconds``: a kill costs at most so much training, or
    an epoch where that is longer.
    """

    def __init__(
        self,
        epoch: CompiledEpoch,
        recipe: Recipe,
        seed: int,
        checkpoints: Checkpoints,
        stop: StopRequest,
        names: Sequence[str] = (),
        *,
        keep_best: bool = True,
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self._epoch, self._recipe = epoch, recipe
        self._seed, self._checkpoints, self._stop = seed, checkpoints, stop
        names = names or (f"seed-{seed}",)
        self._name, self._label = names[0], names[0].replace("-", " ")
        self._keeps_best = keep_best and recipe.patience is not None
        self._save_seconds = save_seconds
        self._history = History([])
        self._progress = Progress()
        self._seconds = 0.0
        self._best_weights: list[npt.NDArray[np.float32]] = []
        self._saved_at = time.monotonic()
        saved = next(filter(None, map(checkpoints.load, names)), None)
        if saved is None:
            epoch.begin(seed)
        else:
            self._restore(*saved)

    def run(self, on_epoch: Callable[[EpochResult], None], on_piece: Callable[[], None] = lambda: None) -> History:
        """Train to the end of the recipe.

        ``on_epoch`` is called for each epoch, those before an interruption included; ``on_piece`` about once a second
        while an epoch is trained. Raises :class:`DivergedError` when
        the loss is no longer finite and, after a signal, with the state saved,
        :class:`pipeline.runtime.signals.Stopped`.
        """
        if self._history.epochs or self._progress.batches:
            within = f", batch {self._progress.batches}" if self._progress.batches else ""
            print(f"{self._label}: continues after epoch {len(self._history.epochs)}{within}", flush=True)
        for epoch in self._history.epochs:
            on_epoch(epoch)
        while not self._finished:
            on_epoch(self._next_epoch(on_piece))
        return self._history

    @property
    def kept_weights(self) -> list[npt.NDArray[np.float32]]:
        """Those of the best epoch with early stopping and ``keep_best``, else the last, in the model's order."""
        return self._best_weights if self._keeps_best else self._epoch.weights

    def save(self) -> bool:
        """Write the checkpoint; return whether that was possible."""
        self._saved_at = time.monotonic()
        return self._checkpoints.save(self._name, [*self._epoch.state, *self._best_weights], self._metadata())

    @property
    def _finished(self) -> bool:
        """Whether the last epoch, or the end of patience, has been reached."""
        done, patience = len(self._history.epochs), self._recipe.patience
        impatient = patience is not None and done - self._history.best_epoch >= patience
        return done >= self._recipe.epochs or impatient

    def _next_epoch(self, on_piece: Callable[[], None]) -> EpochResult:
        """Train and validate one epoch, or the rest of one."""
        val_losses = [epoch.val.loss for epoch in self._history.epochs]
        number = len(self._history.epochs) + 1
        started = time.perf_counter() - self._seconds
        for progress in self._epoch.train(self._seed, val_losses, self._progress):
            self._progress, self._seconds = progress, time.perf_counter() - started
            on_piece()
            if self._stop.number is not None:
                place = f"{self._label}, epoch {number} of {self._recipe.epochs}"
                self._stop.raise_if_requested(place, saved=self.save())
        train, val = self._epoch.mean(self._progress), self._epoch.validate()
        if not (math.isfinite(train.loss) and math.isfinite(val.loss)):
            self._checkpoints.discard(self._name)
            message = f"{self._label}: the loss is not finite after epoch {number}; {self._suspects()}"
            raise DivergedError(message, number)
        epoch = EpochResult(number, train, val, time.perf_counter() - started)
        self._history.epochs.append(epoch)
        self._progress, self._seconds = Progress(), 0.0
        if self._keeps_best and self._history.best_epoch == number:
            self._best_weights = self._epoch.weights
        # Save now if the next epoch would push unsaved work past the limit.
        if time.monotonic() - self._saved_at + epoch.seconds > self._save_seconds:
            self.save()
        return epoch

    def _suspects(self) -> str:
        """The parameters that can have made the loss infinite in the epoch at hand, with their values."""
        recipe, l2 = self._recipe, self._epoch.largest_l2
        if not self._history.epochs and not math.isfinite(self._progress.losses[0]):
            # The first batch meets the initial weights: no rate has changed them yet.
            begin = "it was not finite before the first step, whatever the learning rate"
            return f"{begin}; l2 is {l2:g}, try a smaller one" if l2 else begin
        suspects = [f"learning_rate is {recipe.learning_rate}"]
        if recipe.bias_rate_factor > 1:
            suspects.append(f"bias_rate_factor is {recipe.bias_rate_factor:g}")
        # Then a step along the penalty alone overshoots.
        if l2 * recipe.learning_rate >= 1:
            suspects.append(f"l2 is {l2:g}")
        return f"{' and '.join(suspects)}, try {'a smaller one' if len(suspects) == 1 else 'smaller ones'}"

    def _metadata(self) -> dict[str, Any]:
        return {
            "epochs": [asdict(epoch) for epoch in self._history.epochs],
            "progress": asdict(self._progress),
            "seconds": self._seconds,
        }

    def _restore(self, arrays: list[npt.NDArray[np.float32]], metadata: dict[str, Any]) -> None:
        self._history = History(
            [
                EpochResult(
                    entry["number"],
                    LossAndAccuracy(**entry["train"]),
                    LossAndAccuracy(**entry["val"]),
                    entry["seconds"],
                )
                for entry in metadata["epochs"]
            ]
        )
        self._progress, self._seconds = (
            Progress(tuple(metadata["progress"]["losses"]), metadata["progress"]["correct"]),
            metadata["seconds"],
        )
        count = len(self._epoch.state)
        self._epoch.state, self._best_weights = arrays[:count], arrays[count:]
