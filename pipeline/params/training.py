"""What the study's own runs train: networks, regularisation, and what all runs share."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.params.kinds import (
    Dropout,
    Integer,
    Layers,
    LearningRate,
    Named,
    Number,
    ParamSection,
    Patience,
    ReduceRatePatience,
    Units,
    completed,
    filled_list,
)
from pipeline.params.recipe import Precision

# More than any machine has; TensorFlow starts as many as it is told, whatever that takes.
MOST_THREADS = 1024

Device = Literal["auto", "cpu", "gpu"]
Strategy = Literal["one_device", "mirrored"]


class TrainParams(ParamSection):
    """What all runs share. Every seed trains a model of its own."""

    # Strict: DVC writes 1e2 into names as 100.0.
    seeds: Annotated[tuple[Annotated[Integer, Field(ge=0, lt=2**31, strict=True)], ...], BeforeValidator(filled_list)]
    epochs: Annotated[Integer, Field(ge=1)]
    batch_size: Annotated[Integer, Field(ge=1)]
    precision: Precision
    device: Device
    strategy: Strategy
    threads: Annotated[Integer, Field(ge=0, le=MOST_THREADS)]

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
    architectures: Named[Units]


class HiddenLayersParams(ParamSection):
    """The hidden layers of a dense network, and how they are regularised. ``dropout_after`` counts them from 1."""

    units: Units
    l2: Annotated[Number, Field(ge=0)]
    dropout: Dropout
    dropout_after: Layers

    @model_validator(mode="after")
    def _layers_exist(self) -> Self:
        if self.dropout_after != "all" and max(self.dropout_after, default=0) > len(self.units):
            layers = list(self.dropout_after)
            raise ValueError(f"dropout_after is {layers}; allowed: all, or layers from 1 to {len(self.units)}")
        return self


class RegulariseParams(HiddenLayersParams):
    """A network of hidden layers, and how it is trained."""

    learning_rate: LearningRate
    patience: Patience
    reduce_lr_patience: ReduceRatePatience


class AblationParams(RegulariseParams):
    """Runs that name only what differs from the values beside them."""

    runs: Named[RegulariseParams]

    complete_runs = model_validator(mode="before")(completed("runs"))
