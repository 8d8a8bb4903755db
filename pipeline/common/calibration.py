"""Does a model know how sure it may be? Confidence against accuracy, in bins."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The images whose highest probability lies in one fifteenth of 0 to 1."""

    count: int
    confidence: float
    accuracy: float


def bins(labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> list[Bin]:
    """All bins that hold an image, in order. ``labels`` (n,), ``probabilities`` (n, classes)."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = ((places == place) for place in np.unique(places))
    return [Bin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean())) for inside in found]


def expected_calibration_error(filled: list[Bin]) -> float:
    """The mean distance of confidence and accuracy, weighted by images (Guo et al., 2017), as a fraction of 1."""
    total = sum(entry.count for entry in filled)
    return sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in filled) / total
