"""Models that decide together: the class with the highest mean probability is named."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]


def decided(members: Sequence[Probabilities]) -> npt.NDArray[np.intp]:
    """The labels, (n,), that ``members``, (n, classes) each, name together."""
    labels: npt.NDArray[np.intp] = np.mean(members, axis=0, dtype=np.float64).argmax(axis=1)
    return labels


def chosen(labels: npt.NDArray[np.uint8], candidates: Mapping[str, Probabilities]) -> list[str]:
    """The ``candidates``, at least one, that name the ``labels`` (n,) best together, in the order of their choice.

    Forward selection without replacement (Caruana et al., 2004): candidates join one at a time, each time the one that
    gives the ensemble the highest accuracy, of equals the first, until none raises it.
    """

    def accuracy(members: Sequence[str]) -> float:
        return float(np.mean(decided([candidates[name] for name in members]) == labels))

    members: list[str] = []
    reached = -1.0
    while others := [name for name in candidates if name not in members]:
        best = max(others, key=lambda name: accuracy([*members, name]))
        if accuracy([*members, best]) <= reached:
            break
        members.append(best)
        reached = accuracy(members)
    return members
