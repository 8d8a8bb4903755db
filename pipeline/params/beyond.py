"""What lies beyond the study: networks and recipes that a run puts together by itself."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from pipeline.params.kinds import (
    Fraction,
    Integer,
    LearningRate,
    Named,
    Number,
    ParamSection,
    Patience,
    ReduceRatePatience,
    RunName,
    Units,
    completed,
)
from pipeline.params.recipe import Flip, Optimiser, Precision, Schedule
from pipeline.params.training import HiddenLayersParams

# How often a saved model looks at an image: pipeline.networks.looks.
Looks = Literal["one", "mirrored", "mirrored-shifted"]
# From 31 by 31 places each block of a convolutional network leaves half of each side: after four, a single place.
MOST_BLOCKS = 4
# What a run with a value of the first parameter does not use, so that it may not name it.
IGNORED = {
    ("network", "dense"): ("widths", "whitening"),
    ("network", "convolutional"): ("units", "l2", "dropout_after", "normalisation", "residual", "frequencies"),
    ("optimiser", "adam"): ("momentum",),
    ("average_every", 0): ("average_decay",),
    ("dropout", 0): ("dropout_after",),
}
# What metrics/beyond.json has beside its runs.
ENSEMBLE = "ensemble"


class RecipeParams(ParamSection):
    """How a run is trained: see :class:`pipeline.params.recipe.Recipe`. A ``patience`` that is empty: none."""

    epochs: Annotated[Integer, Field(ge=1)]
    batch_size: Annotated[Integer, Field(ge=1)]
    precision: Precision
    learning_rate: LearningRate
    patience: Patience | None
    reduce_lr_patience: ReduceRatePatience
    optimiser: Optimiser
    momentum: Fraction
    weight_decay: Annotated[Number, Field(ge=0)]
    bias_rate_factor: Annotated[Number, Field(gt=0)]
    schedule: Schedule
    warm_up: Fraction
    final_rate: Annotated[Number, Field(ge=0, le=1)]
    label_smoothing: Fraction
    flip: Flip
    shift: Annotated[Integer, Field(ge=0, le=31)]
    cutout: Annotated[Integer, Field(ge=0, le=32)]
    mixup: Annotated[Number, Field(ge=0)]
    average_every: Annotated[Integer, Field(ge=0, lt=2**31)]
    average_decay: Fraction

    @model_validator(mode="after")
    def _parts_agree(self) -> "RecipeParams":
        if self.schedule == "constant":
            for name in ("warm_up", "final_rate"):
                if getattr(self, name):
                    raise ValueError(f"{name} is {getattr(self, name):g}; allowed where schedule is constant: 0")
        elif self.reduce_lr_patience:
            raise ValueError(
                f"reduce_lr_patience is {self.reduce_lr_patience}; allowed where schedule is {self.schedule}: 0"
            )
        if self.weight_decay * self.learning_rate >= 1:
            raise ValueError(
                f"weight_decay is {self.weight_decay:g}; allowed where learning_rate is {self.learning_rate:g}: "
                f"below {1 / self.learning_rate:g}"
            )
        return self


class BeyondRunParams(RecipeParams, HiddenLayersParams):
    """A network and its recipe; :data:`IGNORED` says what a run does not use.

    A run that is ``compared_with`` another shows what a part of that one is worth: it is never selected.
    """

    network: Literal["dense", "convolutional"]
    normalisation: bool
    residual: bool
    frequencies: Annotated[Integer, Field(ge=0, le=32)]
    widths: Annotated[Units, Field(max_length=MOST_BLOCKS)]
    whitening: bool
    looks: Looks
    compared_with: RunName | None


class BeyondParams(BeyondRunParams):
    """Runs that name only what differs from the values beside them."""

    runs: Named[BeyondRunParams]

    @model_validator(mode="wrap")
    @classmethod
    def _complete_runs(cls, section: Any, validated: ModelWrapValidatorHandler[Self]) -> Self:
        whole = validated(completed("runs")(section))
        for name, run in whole.runs.items():
            _check_used(name, section["runs"][name], run)
        return whole

    @model_validator(mode="after")
    def _compared_with_runs(self) -> "BeyondParams":
        # So that evaluate depends on beyond.runs and on nothing beside it.
        if self.compared_with is not None:
            raise ValueError(f"compared_with is {self.compared_with!r}; allowed: empty, each of runs has its own")
        if ENSEMBLE in self.runs:
            raise ValueError(f"runs has the name {ENSEMBLE!r}, which metrics/beyond.json needs; allowed: any other")
        allowed = [name for name, run in self.runs.items() if run.compared_with is None]
        for name, run in self.runs.items():
            if run.compared_with is not None and run.compared_with not in allowed:
                raise ValueError(f"runs.{name}.compared_with is {run.compared_with!r}; allowed: {', '.join(allowed)}")
        return self


def _check_used(name: str, own: Mapping[str, Any], whole: BeyondRunParams) -> None:
    """Raise ValueError where the run ``name`` itself, ``own``, names what ``whole``, all of it, does not use."""
    for (parameter, value), ignored in IGNORED.items():
        for other in ignored:
            if other in own and getattr(whole, parameter) == value:
                raise ValueError(
                    f"runs.{name}.{other} is {json.dumps(own[other])}; allowed where {parameter} is {value}: absent, "
                    "because it would change nothing"
                )
