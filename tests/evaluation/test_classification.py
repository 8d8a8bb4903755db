import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score

from pipeline.evaluation.classification import Labels, scores, scores_by_class, scores_of_most_frequent


def example() -> tuple[Labels, Labels]:
    """Labels of four classes, and predictions of which more than half are right."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300, np.uint8)
    return labels, np.where(random.random(300) < 0.6, labels, random.integers(0, 3, 300))


LABELS, PREDICTED = example()


def test_scores_are_weighted_by_class_size() -> None:
    found = scores(LABELS, PREDICTED)
    assert set(found) == {"accuracy", "precision", "f1"}
    assert found["accuracy"] == pytest.approx(np.mean(LABELS == PREDICTED))
    for name, function in (("precision", precision_score), ("f1", f1_score)):
        assert found[name] == pytest.approx(function(LABELS, PREDICTED, average="weighted", zero_division=0))


def test_scores_by_class_are_numpys() -> None:
    found = scores_by_class(LABELS, PREDICTED, ["a", "b", "c", "d"])["c"]
    hits = np.sum((LABELS == 2) & (PREDICTED == 2))
    assert found["precision"] == pytest.approx(hits / np.sum(PREDICTED == 2))
    assert found["recall"] == pytest.approx(hits / np.sum(LABELS == 2))
    assert found["images"] == np.sum(LABELS == 2)


def test_the_classifier_that_looks_at_no_image_names_the_most_frequent_class_of_training() -> None:
    found = scores_of_most_frequent(np.array([2, 2, 2, 1], np.uint8), np.array([1, 2, 3, 3, 3], np.uint8))
    assert found["accuracy"] == 0.2
    # Class 2 has a precision of 1/5 and a recall of 1; the other classes count as 0.
    assert found["f1"] == pytest.approx(1 / 5 * 2 * (1 / 5) / (6 / 5))
