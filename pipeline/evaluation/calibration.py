"""Calibration: a model's confidence against its accuracy, in bins of equal width."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.calibration import calibration_curve

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The images whose highest probability lies in one fifteenth of 0 to 1."""

    count: int
    confidence: float
    accuracy: float


def bins(labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> list[Bin]:
    """All bins that hold an image, in order. ``labels`` (n,), ``probabilities`` (n, classes)."""
    confidence = np.minimum(probabilities.max(axis=1).astype(np.float64), 1.0)
    correct = probabilities.argmax(axis=1) == labels
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=BINS)
    # calibration_curve returns no counts. Its bins are open on the left, and it leaves out empty ones.
    places = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.unique(places, return_counts=True)[1]
    columns = zip(counts, mean_confidence, accuracy, strict=True)
    return [Bin(int(count), float(sure), float(right)) for count, sure, right in columns]


def expected_calibration_error(filled: list[Bin]) -> float:
    """The mean distance of confidence and accuracy, weighted by images (Guo et al., 2017), as a fraction of 1."""
    total = sum(entry.count for entry in filled)
    return sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in filled) / total
