"""One seed of one run: epoch after epoch, early stopping, the weights that are kept, and a state to continue from."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.common.backend import keras
from pipeline.common.command import UserError
from pipeline.common.epoch import Position, Program, Score
from pipeline.common.network import initialise
from pipeline.common.state import Store
from pipeline.common.stopping import StopRequest

# A kill costs at most so much training, or an epoch where that is longer.
SAVE_SECONDS = 10.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    With ``patience``, training stops after so many epochs without a lower val_loss, and the weights of the epoch with
    the lowest val_loss are kept; without, all ``epochs`` are trained and the last weights are kept. With
    ``reduce_lr_patience`` other than 0, the learning rate is halved each time that so many epochs brought no lower
    val_loss.
    """

    epochs: int
    learning_rate: float
    patience: int | None = None
    reduce_lr_patience: int = 0

    def rate_after(self, epochs: list["Epoch"]) -> float:
        """The learning rate of the epoch that follows ``epochs``."""
        rate, best, flat = self.learning_rate, math.inf, 0
        for epoch in epochs:
            best, flat = (epoch.val.loss, 0) if epoch.val.loss < best else (best, flat + 1)
            if self.reduce_lr_patience and flat == self.reduce_lr_patience:
                rate, flat = rate / 2, 0
        return rate


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave. ``number`` counts from 1; ``seconds`` is for the console and never written to an output."""

    number: int
    train: Score
    val: Score
    seconds: float


class DivergedError(UserError):
    """The loss is no longer a finite number."""


@dataclass
class History:
    """All epochs of one seed so far."""

    epochs: list[Epoch]

    @property
    def best_epoch(self) -> int:
        """The number of the epoch whose val_loss is the lowest; of equals the first. 0 before the first epoch."""
        return min(self.epochs, key=lambda epoch: epoch.val.loss).number if self.epochs else 0

    @property
    def seconds_per_epoch(self) -> float:
        """The median, because the first epoch includes compilation."""
        return median(epoch.seconds for epoch in self.epochs)


class Training:
    """The training of ``model`` from the initial weights that follow from ``seed``.

    It goes on from its state in ``store``, if there is one, and ends as if it had never been interrupted; what has been
    trained to the end is not trained again. ``names``: of its state, and after it of those that it may go on from
    instead. ``keep_best``: whether weights are remembered for :meth:`keep`.
    """

    def __init__(
        self,
        model: keras.Sequential,
        program: Program,
        schedule: Schedule,
        seed: int,
        store: Store,
        stop: StopRequest,
        names: Sequence[str] = (),
        *,
        keep_best: bool = True,
    ) -> None:
        self._model, self._program, self._schedule = model, program, schedule
        self._seed, self._store, self._stop = seed, store, stop
        names = names or (f"seed-{seed}",)
        self._name, self._label = names[0], names[0].replace("-", " ")
        self._keeps_best = keep_best and schedule.patience is not None
        self._history = History([])
        self._position = Position()
        self._seconds = 0.0
        self._best_weights: list[npt.NDArray[np.float32]] = []
        self._kept = False
        self._saved_at = time.monotonic()
        saved = next(filter(None, map(store.load, names)), None)
        if saved is None:
            initialise(model, seed)
            program.reset()
        else:
            self._restore(*saved)

    def run(self, on_epoch: Callable[[Epoch], None]) -> History:
        """Train to the end of the schedule.

        ``on_epoch`` is called for each epoch, those before an interruption included. Raises :class:`DivergedError` when
        the loss is no longer finite and, after a signal, with the state saved,
        :class:`pipeline.common.stopping.Stopped`.
        """
        if self._history.epochs or self._position.batches:
            within = f", batch {self._position.batches}" if self._position.batches else ""
            print(f"{self._label}: continues after epoch {len(self._history.epochs)}{within}", flush=True)
        for epoch in self._history.epochs:
            on_epoch(epoch)
        while not self._finished:
            on_epoch(self._next_epoch())
        return self._history

    def keep(self) -> None:
        """Leave the weights to be kept in the model, and nothing else in the state."""
        if not self._kept:
            if self._keeps_best:
                self._model.set_weights(self._best_weights)
            self._kept = True
            self._store.save(self._name, self._model.get_weights(), self._facts())

    def save(self) -> bool:
        """Write the state; return whether that was possible."""
        self._saved_at = time.monotonic()
        return self._store.save(self._name, [*self._program.state, *self._best_weights], self._facts())

    @property
    def _finished(self) -> bool:
        """Whether the last epoch, or the end of patience, has been reached."""
        done, patience = len(self._history.epochs), self._schedule.patience
        impatient = patience is not None and done - self._history.best_epoch >= patience
        return done >= self._schedule.epochs or impatient

    def _next_epoch(self) -> Epoch:
        """Train and validate one epoch, or the rest of one."""
        learning_rate = self._schedule.rate_after(self._history.epochs)
        number = len(self._history.epochs) + 1
        started = time.perf_counter() - self._seconds
        for position in self._program.train(self._seed, number - 1, learning_rate, self._position):
            self._position, self._seconds = position, time.perf_counter() - started
            if self._stop.number is not None:
                place = f"{self._label}, epoch {number} of {self._schedule.epochs}"
                self._stop.obey(place, saved=self.save())
        train_score, val_score = self._program.score(self._position), self._program.validate()
        if not (math.isfinite(train_score.loss) and math.isfinite(val_score.loss)):
            self._store.discard(self._name)
            raise DivergedError(
                f"{self._label}: the loss is not finite after epoch {number}; "
                f"learning_rate is {learning_rate}, a smaller one is wanted"
            )
        epoch = Epoch(number, train_score, val_score, time.perf_counter() - started)
        self._history.epochs.append(epoch)
        self._position, self._seconds = Position(), 0.0
        if self._keeps_best and self._history.best_epoch == number:
            self._best_weights = self._model.get_weights()
        # Another epoch like this one without saving would leave more than that to a kill.
        if time.monotonic() - self._saved_at + epoch.seconds > SAVE_SECONDS:
            self.save()
        return epoch

    def _facts(self) -> dict[str, Any]:
        return {
            "epochs": [asdict(epoch) for epoch in self._history.epochs],
            "position": asdict(self._position),
            "seconds": self._seconds,
            "kept": self._kept,
        }

    def _restore(self, arrays: list[npt.NDArray[np.float32]], facts: dict[str, Any]) -> None:
        self._history = History(
            [
                Epoch(entry["number"], Score(**entry["train"]), Score(**entry["val"]), entry["seconds"])
                for entry in facts["epochs"]
            ]
        )
        self._position, self._seconds = Position(**facts["position"]), facts["seconds"]
        self._kept = facts["kept"]
        if self._kept:
            self._model.set_weights(arrays)
        else:
            count = len(self._program.state)
            self._program.state, self._best_weights = arrays[:count], arrays[count:]
