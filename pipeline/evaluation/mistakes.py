"""The predictions that a model is the most confident about, and wrong."""

import numpy as np
import numpy.typing as npt


def confident_mistakes(
    labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32], count: int
) -> npt.NDArray[np.intp]:
    """Find at most ``count`` rows with a wrong prediction, that of the highest probability first.

    ``labels`` (n,), ``probabilities`` (n, classes).
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")[:count]]
