"""Cross-validation: the runs that are also trained on folds of the training images, an entry per fold."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.params.kinds import Integer, ParamSection, RunName


class FoldParams(ParamSection):
    """One of ``of`` folds of a run: it is validated on the images of its own fold and trained on all others."""

    group: Literal["ablation", "beyond"]
    run: RunName
    fold: Annotated[Integer, Field(ge=1)]
    of: Annotated[Integer, Field(ge=2)]


def _complete(folds: Mapping[str, FoldParams]) -> Mapping[str, FoldParams]:
    """Each entry bears the name of its stage, and each run has all its folds: every image is then validated once."""
    first: dict[str, str] = {}
    for name, entry in folds.items():
        if name != f"{entry.run}-{entry.fold}":
            raise ValueError(f"{name} is fold {entry.fold} of {entry.run}; allowed: the name {entry.run}-{entry.fold}")
        if entry.fold > entry.of:
            raise ValueError(f"{name}.fold is {entry.fold}; allowed: 1 to {entry.of}")
        other = first.setdefault(entry.run, name)
        for key in ("group", "of"):
            value, expected = getattr(entry, key), getattr(folds[other], key)
            if value != expected:
                raise ValueError(f"{name}.{key} is {value}; allowed: {expected}, as in {other}")
    for run, name in first.items():
        for fold in range(1, folds[name].of + 1):
            if f"{run}-{fold}" not in folds:
                raise ValueError(f"{run}-{fold} is missing: {run} has {folds[name].of} folds")
    return folds


FoldsParams = Annotated[dict[RunName, FoldParams], AfterValidator(_complete)]
