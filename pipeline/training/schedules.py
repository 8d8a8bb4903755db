"""The learning rate of each step."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.params.recipe import Recipe


def rates(recipe: Recipe, batches: int, val_losses: Sequence[float]) -> npt.NDArray[np.float32]:
    """The rates, float32 (``batches``,), of the steps of the epoch after those with ``val_losses``."""
    if recipe.schedule == "constant":
        rate = halved_on_plateau(recipe.learning_rate, val_losses, recipe.reduce_lr_patience)
        return np.full(batches, rate, np.float32)
    steps = len(val_losses) * batches + np.arange(batches)
    rising = recipe.warm_up * recipe.epochs * batches
    falling = recipe.epochs * batches - rising
    done = np.clip((steps - rising) / max(falling, 1), 0, 1)
    left = 1 - done if recipe.schedule == "linear" else (1 + np.cos(np.pi * done)) / 2
    share = np.where(steps < rising, steps / max(rising, 1), recipe.final_rate + (1 - recipe.final_rate) * left)
    return (recipe.learning_rate * share).astype(np.float32)


def halved_on_plateau(learning_rate: float, val_losses: Sequence[float], patience: int) -> float:
    """The rate after epochs with these ``val_losses``: halved each time that ``patience`` epochs brought no lower one.

    A ``patience`` of 0 leaves the rate as it is. Keras' ReduceLROnPlateau with factor 0.5 and min_delta 0.
    """
    best, flat = math.inf, 0
    for loss in val_losses:
        best, flat = (loss, 0) if loss < best else (best, flat + 1)
        if patience and flat == patience:
            learning_rate, flat = learning_rate / 2, 0
    return learning_rate
