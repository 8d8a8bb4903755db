import numpy as np

from pipeline.evaluation.mistakes import confident_mistakes

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.05, 0.95]], np.float32)


def test_the_most_confident_mistake_comes_first() -> None:
    labels = np.array([1, 1, 1, 0], np.uint8)
    assert confident_mistakes(labels, PROBABILITIES, 2).tolist() == [3, 0]


def test_there_may_be_fewer_than_asked_for() -> None:
    assert confident_mistakes(np.array([0, 1, 0, 0], np.uint8), PROBABILITIES, 5).tolist() == [3]
