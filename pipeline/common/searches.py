"""What a search is: its algorithm, how long its trials train, and its space, an axis for every hyperparameter."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from pipeline.common.values import Layers, Patience, Real, ReduceRatePatience, Section, Whole, filled_list, number

# Of each hyperparameter: its least value, its greatest, and whether it is a whole number. Dropout stays below 1.
_LIMITS = {
    "layers": (1, 16, True),
    "units": (1, 2**20, True),
    "dropout": (0, 0.99, False),
    "l2": (0, math.inf, False),
    "learning_rate": (1e-12, math.inf, False),
}
_OF_ALL = ("layers", "dropout", "l2", "learning_rate")
_OF_A_LAYER = ("units", "dropout", "l2")


class Choices(Section):
    """An axis of some values. One value: the hyperparameter is fixed."""

    values: tuple[float, ...]

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            raise ValueError("values that differ from each other")
        return values

    @property
    def count(self) -> float:
        """How many values there are."""
        return len(self.values)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return min(self.values), max(self.values)


class Range(Section):
    """An axis from ``min`` to ``max``, both included: in steps, or continuous, then on a linear or a log scale."""

    min: Real
    max: Real
    step: Annotated[Real, Field(gt=0)] | None = None
    sampling: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _consistent(self) -> "Range":
        if self.min > self.max:
            raise ValueError(f"min up to max, not {self.min:g} up to {self.max:g}")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"a min above 0 where sampling is log, not {self.min:g}")
        if self.sampling == "log" and self.step is not None:
            raise ValueError("step or sampling: log, not both")
        return self

    @property
    def values(self) -> tuple[float, ...] | None:
        """All values in order; None where the axis is continuous."""
        if self.min == self.max:
            return (self.min,)
        if self.step is None:
            return None
        steps = math.floor((self.max - self.min) / self.step + 1e-9)
        return tuple(round(self.min + step * self.step, 12) for step in range(steps + 1))

    @property
    def count(self) -> float:
        """How many values there are; infinite where the axis is continuous."""
        return math.inf if self.values is None else len(self.values)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return self.min, self.max


def _axis(value: Any) -> Choices | Range:
    if isinstance(value, dict):
        return Range.model_validate(value)
    return Choices(values=tuple(number(entry) for entry in filled_list(value)))


Axis = Annotated[Choices | Range, PlainValidator(_axis)]


class Search(Section):
    """One search. Its winner is trained afresh for every seed of ``train.seeds``.

    ``space`` has the axes layers (how many hidden layers), units_1, units_2, ..., learning_rate, and dropout and l2:
    with a number one for each layer, without one that all share. ``max_epochs`` is what a trial trains at most, and
    ``factor`` by how much Hyperband (Li et al., 2018) divides its trials from rung to rung; ``max_trials`` is for
    random and bayesian. A ``reduce_lr_patience`` of 0 leaves the learning rate of a trial as it is.
    """

    algorithm: Literal["hyperband", "grid", "random", "bayesian"]
    seed: Annotated[Whole, Field(ge=0, lt=2**31)]
    max_epochs: Annotated[Whole, Field(ge=1)]
    factor: Annotated[Whole, Field(ge=2)]
    max_trials: Annotated[Whole, Field(ge=1)]
    patience: Patience
    reduce_lr_patience: ReduceRatePatience
    dropout_after: Layers
    space: Annotated[dict[str, Axis], BeforeValidator(lambda value: value or {})]

    @property
    def layers(self) -> list[int]:
        """The numbers of hidden layers that the space allows."""
        return sorted(int(value) for value in self.space["layers"].values or ())

    @property
    def combinations(self) -> float:
        """The size of the space; infinite where an axis is continuous."""
        shared = math.prod(
            axis.count for name, axis in self.space.items() if "_" not in name or name == "learning_rate"
        )
        shared /= self.space["layers"].count
        total = 0.0
        for layers in self.layers:
            per_layer = (axis.count for name, axis in self.space.items() if _layer(name) in range(1, layers + 1))
            total += shared * math.prod(per_layer)
        return total

    @field_validator("space")
    @classmethod
    def _complete(cls, space: dict[str, Axis]) -> dict[str, Axis]:
        for name in ("layers", "learning_rate"):
            if name not in space:
                raise ValueError(f"a space with the axis {name}")
        for name, axis in space.items():
            kind = name.rpartition("_")[0] if _layer(name) else name
            if kind not in (_OF_A_LAYER if _layer(name) else _OF_ALL):
                raise ValueError(
                    f"the axes layers, learning_rate, dropout, l2, units_1, dropout_1, l2_1 and so on, not {name}"
                )
            least, greatest, whole = _LIMITS[kind]
            if axis.limits[0] < least or axis.limits[1] > greatest:
                raise ValueError(f"{name} from {least:g} to {greatest:g}, not {axis.limits[0]:g} to {axis.limits[1]:g}")
            if whole and isinstance(axis, Range) and axis.step is None:
                if axis.sampling == "log":
                    raise ValueError(f"a list or steps for {name}, not sampling: log")
                space[name] = axis = axis.model_copy(update={"step": 1.0})
            if whole and not all(float(value).is_integer() for value in axis.values or ()):
                raise ValueError(f"whole numbers for {name}")
        for layer in range(1, int(space["layers"].limits[1]) + 1):
            if f"units_{layer}" not in space:
                raise ValueError(f"a space with the axis units_{layer}, because layers goes up to {layer} or more")
            for name in ("dropout", "l2"):
                if (name in space) == (f"{name}_{layer}" in space):
                    raise ValueError(f"either the axis {name} or {name}_{layer}")
        return space

    @model_validator(mode="after")
    def _possible(self) -> "Search":
        deepest = max(self.layers)
        if self.dropout_after != "all" and max(self.dropout_after, default=0) > deepest:
            raise ValueError(f"dropout_after all, or layers from 1 to {deepest}, not {list(self.dropout_after)}")
        if self.algorithm == "grid":
            endless = [name for name, axis in self.space.items() if math.isinf(axis.count)]
            if endless:
                raise ValueError(f"for algorithm grid a space of lists and steps, and {endless[0]} has no step")
        if self.algorithm == "hyperband":
            wanted = sum(trials for round_, trials, _ in rungs(self.max_epochs, self.factor) if round_ == 0)
            if self.combinations < wanted:
                raise ValueError(
                    f"for algorithm hyperband with max_epochs {self.max_epochs} and factor {self.factor} a space of at "
                    f"least {wanted} combinations, not {self.combinations:.0f}; algorithm grid tries them all"
                )
        return self


class Tune(Section):
    """The searches by name."""

    searches: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], Search], Field(min_length=1)
    ]


def rungs(max_epochs: int, factor: int) -> list[tuple[int, int, int]]:
    """Hyperband's rungs, in the order of Keras Tuner: (round within its bracket, trials, epochs trained at its end)."""
    brackets = 1
    while max_epochs / factor**brackets >= 1:
        brackets += 1
    result = []
    for bracket in reversed(range(brackets)):
        share = math.ceil(1 + math.log(max_epochs, factor)) / (bracket + 1)
        for round_ in range(bracket + 1):
            epochs = math.ceil(max_epochs / factor ** (bracket - round_))
            result.append((round_, math.ceil(share * factor ** (bracket - round_)), epochs))
    return result


def _layer(name: str) -> int:
    """The layer that an axis is for, counted from 1; 0 where it is for all."""
    number_ = name.rpartition("_")[2]
    return int(number_) if number_.isdecimal() else 0
