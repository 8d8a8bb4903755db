"""Figures of a classifier, and their mean and spread over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_fscore_support

from pipeline.common.backend import keras
from pipeline.common.data import Part

# Images in a batch of inference, where the size changes nothing but memory and speed.
INFERENCE_BATCH = 1000


def probabilities(model: keras.Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The model's class probabilities, float32 (n, classes), for uint8 ``images`` (n, 32, 32, 3)."""
    result: npt.NDArray[np.float32] = model.predict(images, batch_size=INFERENCE_BATCH, verbose=0)
    return result


def loss_and_accuracy(model: keras.Model, part: Part) -> dict[str, float]:
    """Cross-entropy plus the L2 penalty, and accuracy, as ``model.evaluate`` gives them."""
    figures = model.evaluate(part.images, part.labels, batch_size=INFERENCE_BATCH, verbose=0, return_dict=True)
    return {name: float(figures[name]) for name in ("loss", "accuracy")}


def classification(labels: npt.NDArray[np.uint8], predicted: npt.NDArray[np.integer]) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 weighted by class size, from labels (n,) and predicted labels (n,).

    A class that is never predicted has precision 0.
    """
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="weighted", zero_division=0)
    return {
        "accuracy": float(np.mean(labels == predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def per_class(
    labels: npt.NDArray[np.uint8], predicted: npt.NDArray[np.integer], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of every class, and the number of its images (support)."""
    columns = precision_recall_fscore_support(labels, predicted, labels=range(len(names)), zero_division=0)
    rows = zip(*columns, strict=True)
    keys = ("precision", "recall", "f1", "support")
    return {name: dict(zip(keys, map(float, row), strict=True)) for name, row in zip(names, rows, strict=True)}


def over_seeds(figures: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Mean, standard deviation (ddof 1; left out for one seed) and n of each figure."""
    summary: dict[str, Any] = {}
    for name in figures[0]:
        values = [figure[name] for figure in figures]
        summary[name] = {"mean": float(np.mean(values)), "n": len(values)}
        if len(values) > 1:
            summary[name]["std"] = float(np.std(values, ddof=1))
    return summary
