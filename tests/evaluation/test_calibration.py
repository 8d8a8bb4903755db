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
