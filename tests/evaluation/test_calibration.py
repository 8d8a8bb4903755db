import numpy as np
import pytest

from pipeline.evaluation.calibration import bins, expected_calibration_error


def test_who_is_always_sure_and_right_half_the_time_is_off_by_a_half() -> None:
    labels = np.array([0, 1, 0, 1], np.uint8)
    probabilities = np.array([[1, 0]] * 4, np.float32)
    (only,) = bins(labels, probabilities)
    assert (only.count, only.confidence, only.accuracy) == (4, 1.0, 0.5)
    assert expected_calibration_error([only]) == 0.5


def test_who_is_as_often_right_as_sure_has_no_error() -> None:
    labels = np.array([0] * 6 + [1] * 4, np.uint8)
    probabilities = np.array([[0.6, 0.4]] * 10, np.float32)
    assert expected_calibration_error(bins(labels, probabilities)) == pytest.approx(0, abs=1e-6)


def test_bins_weigh_by_images() -> None:
    labels = np.array([0, 0, 0, 1], np.uint8)
    probabilities = np.array([[0.95, 0.05]] * 3 + [[0.6, 0.4]], np.float32)
    filled = bins(labels, probabilities)
    assert [entry.count for entry in filled] == [1, 3]
    assert expected_calibration_error(filled) == pytest.approx((0.6 + 3 * 0.05) / 4, abs=1e-6)


def test_counts_and_accuracies_are_of_the_same_images_also_on_the_edges_of_bins() -> None:
    random = np.random.default_rng(0)
    sure = np.concatenate([random.uniform(0.5, 1, 200), np.arange(8, 16) / 15])
    labels = random.integers(0, 2, len(sure)).astype(np.uint8)
    filled = bins(labels, np.stack([sure, 1 - sure], axis=1).astype(np.float32))
    assert sum(entry.count for entry in filled) == len(sure)
    assert sum(entry.count * entry.accuracy for entry in filled) == pytest.approx((labels == 0).sum())
    assert sum(entry.count * entry.confidence for entry in filled) == pytest.approx(sure.sum())
