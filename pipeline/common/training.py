"""One seed of one run: epoch after epoch, early stopping, and the weights that are kept."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from pipeline.common.backend import keras
from pipeline.common.command import UserError
from pipeline.common.epoch import Epochs, Score
from pipeline.common.network import initialise


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    With ``patience``, training stops after so many epochs without a lower val_loss, and the weights of the epoch with
    the lowest val_loss are kept; without, all ``epochs`` are trained and the last weights are kept.
    """

    epochs: int
    learning_rate: float
    patience: int | None = None


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave. ``number`` counts from 1; ``seconds`` is for the console and never written to a file."""

    number: int
    train: Score
    val: Score
    seconds: float


@dataclass(frozen=True)
class History:
    """All epochs of one seed, and the number of the one whose val_loss was the lowest."""

    epochs: list[Epoch]
    best_epoch: int

    @property
    def seconds_per_epoch(self) -> float:
        """The median, because the first epoch includes compilation."""
        return median(epoch.seconds for epoch in self.epochs)


def train(
    model: keras.Sequential,
    program: Epochs,
    schedule: Schedule,
    seed: int,
    on_epoch: Callable[[Epoch], None],
) -> History:
    """Train ``model`` from the initial weights that follow from ``seed``; leave the weights to be kept in it.

    ``on_epoch`` is called after each epoch. Raises :class:`UserError` when the loss is no longer finite.
    """
    initialise(model, seed)
    program.start()
    epochs: list[Epoch] = []
    best_loss, best_epoch = math.inf, 0
    best_weights: list[npt.NDArray[np.float32]] = []
    for number in range(1, schedule.epochs + 1):
        started = time.perf_counter()
        train_score = program.train(seed, number - 1, schedule.learning_rate)
        epoch = Epoch(number, train_score, program.validate(), time.perf_counter() - started)
        if not (math.isfinite(epoch.train.loss) and math.isfinite(epoch.val.loss)):
            raise UserError(
                f"seed {seed}: the loss is not finite after epoch {number}; "
                f"learning_rate is {schedule.learning_rate}, a smaller one is wanted"
            )
        epochs.append(epoch)
        on_epoch(epoch)
        if epoch.val.loss < best_loss:
            best_loss, best_epoch = epoch.val.loss, number
            if schedule.patience is not None:
                best_weights = model.get_weights()
        elif schedule.patience is not None and number - best_epoch >= schedule.patience:
            break
    if schedule.patience is not None:
        model.set_weights(best_weights)
    return History(epochs, best_epoch)
