import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from pipeline.common.metrics import classification, over_seeds, per_class
from pipeline.evaluate import naive

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 4, 300, np.uint8)
PREDICTED = np.where(RANDOM.random(300) < 0.6, LABELS, RANDOM.integers(0, 3, 300))


def test_figures_are_weighted_by_class_size() -> None:
    figures = classification(LABELS, PREDICTED)
    assert figures["accuracy"] == pytest.approx(np.mean(LABELS == PREDICTED))
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert figures[name] == pytest.approx(function(LABELS, PREDICTED, average="weighted", zero_division=0))


def test_per_class_figures_are_numpys() -> None:
    figures = per_class(LABELS, PREDICTED, ["a", "b", "c", "d"])["c"]
    hits = np.sum((LABELS == 2) & (PREDICTED == 2))
    assert figures["precision"] == pytest.approx(hits / np.sum(PREDICTED == 2))
    assert figures["recall"] == pytest.approx(hits / np.sum(LABELS == 2))
    assert figures["support"] == np.sum(LABELS == 2)


def test_mean_and_deviation_are_numpys() -> None:
    values = [0.5, 0.52, 0.57]
    summary = over_seeds([{"accuracy": value} for value in values])["accuracy"]
    assert summary == {"mean": pytest.approx(np.mean(values)), "std": pytest.approx(np.std(values, ddof=1)), "n": 3}


def test_one_seed_has_no_deviation() -> None:
    assert over_seeds([{"accuracy": 0.5}]) == {"accuracy": {"mean": 0.5, "n": 1}}


def test_the_naive_classifier_names_the_most_frequent_class_of_training() -> None:
    figures = naive(np.array([2, 2, 2, 1], np.uint8), np.array([1, 1, 2, 3], np.uint8))
    assert figures["accuracy"] == 0.25
