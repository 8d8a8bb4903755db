"""Who joins an ensemble, against numpy and against choices made by hand."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evaluation.ensemble import chosen, decided

LABELS = np.array([0, 1, 0, 1], np.uint8)


def pairs(*of_class_0: float) -> npt.NDArray[np.float32]:
    """Probabilities of two classes, given the first of each image."""
    first = np.array(of_class_0, np.float32)
    return np.stack([first, 1 - first], axis=1)


def accuracy(labels: npt.NDArray[np.uint8], *members: npt.NDArray[np.float32]) -> float:
    return float((sum(members).argmax(axis=1) == labels).mean())  # type: ignore[union-attr]


def test_members_decide_by_their_mean_probability_and_not_by_votes() -> None:
    members = [pairs(0.9, 0.6), pairs(0.4, 0.6), pairs(0.4, 0.1)]
    assert decided(members).tolist() == [0, 1]
    assert decided(members).tolist() == np.stack(members).mean(axis=0).argmax(axis=1).tolist()


def test_the_best_begins_and_another_joins_only_where_it_makes_the_ensemble_better() -> None:
    candidates = {
        "second": pairs(0.9, 0.9, 0.4, 0.4),  # right of two, and with the best of no more than that alone
        "best": pairs(0.9, 0.05, 0.45, 0.45),  # right of three
        "same": pairs(0.9, 0.05, 0.45, 0.45),
        "wrong": pairs(0.1, 0.9, 0.1, 0.9),
    }
    assert accuracy(LABELS, candidates["best"]) == 0.75
    assert chosen(LABELS, candidates) == ["best"]
    candidates["helpful"] = pairs(0.2, 0.7, 0.7, 0.4)  # right of two alone
    assert accuracy(LABELS, candidates["best"], candidates["helpful"]) == 1
    assert chosen(LABELS, candidates) == ["best", "helpful"]


def test_of_equals_the_first_is_taken_and_nobody_twice() -> None:
    alike = {name: pairs(0.9, 0.1, 0.9, 0.6) for name in ("b", "a", "c")}
    assert chosen(LABELS, alike) == ["b"]
    assert chosen(LABELS, {"only": pairs(0.1, 0.9, 0.1, 0.9)}) == ["only"]


@pytest.mark.parametrize("seed", range(8))
def test_every_choice_is_the_best_that_there_was_by_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 60).astype(np.uint8)
    hints = np.eye(3)[labels] * 0.35
    candidates = {
        name: random.dirichlet(np.ones(3), 60).astype(np.float32) * 0.65 + hints.astype(np.float32) for name in "abcdef"
    }
    members = chosen(labels, candidates)
    reached = [
        accuracy(labels, *(candidates[name] for name in members[:count])) for count in range(1, len(members) + 1)
    ]
    assert all(later > earlier for earlier, later in itertools.pairwise(reached))
    for place, member in enumerate(members):
        before = [candidates[name] for name in members[:place]]
        others = {
            name: accuracy(labels, *before, candidates[name]) for name in candidates if name not in members[:place]
        }
        assert member == max(others, key=lambda name: others[name])
    rest = [accuracy(labels, *(candidates[n] for n in members), candidates[o]) for o in candidates if o not in members]
    assert max(rest, default=0) <= reached[-1]
    assert len(members) > 1
