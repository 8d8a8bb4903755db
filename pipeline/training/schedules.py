"""The learning rate of an epoch."""

import math
from collections.abc import Iterable


def halved_on_plateau(learning_rate: float, val_losses: Iterable[float], patience: int) -> float:
    """The rate after epochs with these ``val_losses``: halved each time that ``patience`` epochs brought no lower one.

    A ``patience`` of 0 leaves the rate as it is. Keras' ReduceLROnPlateau with factor 0.5 and min_delta 0.
    """
    best, flat = math.inf, 0
    for loss in val_losses:
        best, flat = (loss, 0) if loss < best else (best, flat + 1)
        if patience and flat == patience:
            learning_rate, flat = learning_rate / 2, 0
    return learning_rate
