"""What the study's own runs train: networks, regularisation, and what all runs share."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.params.kinds import (
    Integer,
    Layers,
    LearningRate,
    Number,
    ParamSection,
    Patience,
    ReduceRatePatience,
    RunName,
    Units,
    filled_list,
)

Precision = Literal["float32", "mixed_bfloat16"]
Device = Literal["auto", "cpu", "gpu"]
Strategy = Literal["one_device", "mirrored"]


class TrainParams(ParamSection):
    """What all runs share. Every seed trains a model of its own."""

    seeds: Annotated[tuple[Annotated[Integer, Field(ge=0, lt=2**31)], ...], BeforeValidator(filled_list)]
    epochs: Annotated[Integer, Field(ge=1)]
    batch_size: Annotated[Integer, Field(ge=1)]
    precision: Precision
    device: Device
    strategy: Strategy

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds that differ from each other")
        return seeds


class BaselineParams(ParamSection):
    """One dense softmax layer."""

    learning_rate: LearningRate


class ScaleParams(ParamSection):
    """One run per architecture: its name and the widths of its hidden layers."""

    learning_rate: LearningRate
    architectures: Annotated[dict[RunName, Units], Field(min_length=1)]


class RegularisationParams(ParamSection):
    """How a run is regularised and trained. ``dropout_after`` counts the hidden layers from 1."""

    l2: Annotated[Number, Field(ge=0)]
    dropout: Annotated[Number, Field(ge=0, lt=1)]
    dropout_after: Layers
    learning_rate: LearningRate


class RegulariseParams(RegularisationParams):
    """The model that the stage regularise trains."""

    units: Units
    patience: Patience
    reduce_lr_patience: ReduceRatePatience

    @model_validator(mode="after")
    def _layers_exist(self) -> "RegulariseParams":
        check_layers(self.dropout_after, self.units)
        return self


class AblationRunParams(RegularisationParams):
    """One run of the ablation; ``units`` and ``patience`` None: those of :class:`AblationParams`."""

    units: Units | None = None
    patience: Patience | None = None
    reduce_lr_patience: ReduceRatePatience = 0


class AblationParams(ParamSection):
    """Runs that differ in how they are regularised, and what they share."""

    units: Units
    patience: Patience
    runs: Annotated[dict[RunName, AblationRunParams], Field(min_length=1)]

    @model_validator(mode="after")
    def _layers_exist(self) -> "AblationParams":
        for name, run in self.runs.items():
            check_layers(run.dropout_after, run.units or self.units, f"runs.{name}.")
        return self


def check_layers(dropout_after: Layers, units: tuple[int, ...], place: str = "") -> None:
    """Raise ValueError where dropout follows a hidden layer that does not exist."""
    if dropout_after != "all" and max(dropout_after, default=0) > len(units):
        raise ValueError(
            f"{place}dropout_after is {list(dropout_after)}; allowed: all, or layers from 1 to {len(units)}"
        )
