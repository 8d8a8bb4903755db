"""Scores of a classifier, from labels and predicted labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier
from sklearn.metrics import classification_report

Labels = npt.NDArray[np.integer[Any]]
Scores = dict[str, float]


def scores(labels: Labels, predicted: Labels) -> Scores:
    """Accuracy, and precision and F1 weighted by class size, of ``predicted`` (n,) against ``labels`` (n,).

    A class that is never predicted has precision 0. Recall weighted by class size is the accuracy.
    """
    weighted = classification_report(labels, predicted, output_dict=True, zero_division=0)["weighted avg"]
    return {
        "accuracy": float(np.mean(labels == predicted)),
        "precision": float(weighted["precision"]),
        "f1": float(weighted["f1-score"]),
    }


def scores_by_class(labels: Labels, predicted: Labels, names: Sequence[str]) -> dict[str, Scores]:
    """Precision, recall and F1 of every class of ``names``, and the number of its images."""
    numbers = range(len(names))
    report = classification_report(labels, predicted, labels=numbers, output_dict=True, zero_division=0)
    return {
        name: {
            "precision": float(report[str(number)]["precision"]),
            "recall": float(report[str(number)]["recall"]),
            "f1": float(report[str(number)]["f1-score"]),
            "images": int(report[str(number)]["support"]),
        }
        for number, name in zip(numbers, names, strict=True)
    }


def scores_of_most_frequent(train_labels: Labels, labels: Labels) -> Scores:
    """Scores of the classifier that looks at no image and always names the most frequent class of training."""
    classifier = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train_labels), 1)), train_labels)
    return scores(labels, classifier.predict(np.zeros((len(labels), 1))))
