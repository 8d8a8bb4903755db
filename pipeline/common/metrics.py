"""Figures of a classifier, and their mean and spread over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_fscore_support

from pipeline.common.backend import keras, tf
from pipeline.common.data import Part

# Images in a batch of inference, where the size changes nothing but memory and speed.
INFERENCE_BATCH = 1000


def probabilities(model: keras.Sequential, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The model's class probabilities, float32 (n, classes), for uint8 ``images`` (n, 32, 32, 3)."""
    return _in_batches(model, images)


def loss_and_predictions(model: keras.Sequential, part: Part) -> tuple[float, npt.NDArray[np.intp]]:
    """The mean cross-entropy in nats plus the L2 penalty, as ``model.evaluate`` gives it, and predicted labels (n,)."""
    logits = _in_batches(keras.Model(model.inputs[0], model.get_layer("logits").output), part.images)
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(part.labels.astype(np.int32), logits)
    penalty = sum(float(loss) for loss in model.losses)
    return float(np.mean(cross_entropy, dtype=np.float64)) + penalty, logits.argmax(axis=1)


def _in_batches(model: keras.Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The output for all images, without ``predict``, which compiles a program of its own for every model."""
    starts = range(0, len(images), INFERENCE_BATCH)
    return np.concatenate([model(images[start : start + INFERENCE_BATCH], training=False) for start in starts])


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
