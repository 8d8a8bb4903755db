"""What a search is: its algorithm, how long its trials train, and its space, an axis for every hyperparameter."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.kinds import (
    MOST_DROPOUT,
    Integer,
    Layers,
    Named,
    Number,
    ParamSection,
    Patience,
    ReduceRatePatience,
    completed,
    filled_list,
    number,
)

# Of each hyperparameter: its least value, its greatest, and whether it is a whole number.
_LIMITS = {
    "layers": (1, 16, True),
    "units": (1, 2**20, True),
    "dropout": (0, MOST_DROPOUT, False),
    "l2": (0, math.inf, False),
    "learning_rate": (1e-12, math.inf, False),
}
_OF_ALL = ("layers", "dropout", "l2", "learning_rate")
_OF_A_LAYER = ("units", "dropout", "l2")
# Of an axis that is not continuous: Keras Tuner lists its values, and compares each with all.
_MOST_VALUES = 10_000


class Choices(ParamSection):
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


class Range(ParamSection):
    """An axis from ``min`` to ``max``, both included.

    In steps, or each value ``factor`` times the one before, or continuous, then on a linear or a log scale.
    """

    min: Number
    max: Number
    step: Annotated[Number, Field(gt=0)] | None = None
    factor: Annotated[Number, Field(gt=1)] | None = None
    sampling: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _consistent(self) -> "Range":
        if self.min > self.max:
            raise ValueError(f"min is {self.min:g}; allowed: up to max, which is {self.max:g}")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"min is {self.min:g}; allowed where sampling is log: above 0")
        if self.sampling == "log" and self.step is not None:
            raise ValueError(f"step is {self.step:g}; allowed where sampling is log: none")
        if self.factor is not None and (self.min <= 0 or self.step is not None or self.sampling == "log"):
            raise ValueError(f"factor is {self.factor:g}; allowed with a min above 0, without step and sampling")
        if self.step is not None and self.step > self.max - self.min > 0:
            raise ValueError(f"step is {self.step:g}; allowed from {self.min:g} to {self.max:g}: not more than that")
        return self

    @property
    def values(self) -> tuple[float, ...] | None:
        """All values in order; None where the axis is continuous."""
        if self.min == self.max:
            return (self.min,)
        if math.isinf(self.count):
            return None
        places = range(int(self.count))
        factor, step = self.factor, self.step or 0
        exact = [self.min + place * step if factor is None else self.min * factor**place for place in places]
        return tuple(float(f"{value:.12g}") for value in exact)

    @property
    def count(self) -> float:
        """How many values there are, computed without them; infinite where the axis is continuous."""
        if self.min == self.max:
            return 1
        if self.factor is not None:
            return 1 + math.floor(math.log(self.max / self.min, self.factor) + 1e-9)
        return math.inf if self.step is None else 1 + math.floor((self.max - self.min) / self.step + 1e-9)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return self.min, self.max


def _axis(value: Any) -> Choices | Range:
    if isinstance(value, dict):
        return Range.model_validate(value)
    return Choices(values=tuple(number(entry) for entry in filled_list(value)))


Axis = Annotated[Choices | Range, PlainValidator(_axis)]


class SearchDefaults(ParamSection):
    """How a search chooses and trains its trials.

    ``max_epochs`` is what a trial trains at most, and ``factor`` by how much Hyperband (Li et al., 2018) divides its
    trials from rung to rung; ``max_trials`` is for random and bayesian. A ``reduce_lr_patience`` of 0 leaves the
    learning rate of a trial as it is.
    """

    algorithm: Literal["hyperband", "grid", "random", "bayesian"]
    seed: Annotated[Integer, Field(ge=0, lt=2**31)]
    max_epochs: Annotated[Integer, Field(ge=1)]
    factor: Annotated[Integer, Field(ge=2)]
    max_trials: Annotated[Integer, Field(ge=1)]
    patience: Patience
    reduce_lr_patience: ReduceRatePatience
    dropout_after: Layers


class SearchParams(SearchDefaults):
    """One search. Its winner is trained afresh for every seed of ``train.seeds``.

    ``space`` has the axes layers (how many hidden layers), units_1, units_2, ..., learning_rate, and dropout and l2:
    with a number one for each layer, without one that all share.
    """

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

    @property
    def planned_trials(self) -> int:
        """How many trials the search will have."""
        if self.algorithm == "hyperband":
            return sum(count for _, count, _ in rungs(self.max_epochs, self.factor))
        return int(self.combinations if self.algorithm == "grid" else min(self.max_trials, self.combinations))

    @property
    def planned_epochs(self) -> int:
        """How many epochs the search will train if no trial stops early."""
        if self.algorithm != "hyperband":
            return self.planned_trials * self.max_epochs
        total = before = 0
        for round_, count, epochs in rungs(self.max_epochs, self.factor):
            total += count * (epochs - (before if round_ else 0))
            before = epochs
        return total

    @field_validator("space")
    @classmethod
    def _complete(cls, space: dict[str, Axis]) -> dict[str, Axis]:
        for name in ("layers", "learning_rate"):
            if name not in space:
                raise ValueError(f"{name} is missing")
        for name, axis in space.items():
            kind = name.rpartition("_")[0] if _layer(name) else name
            if kind not in (_OF_A_LAYER if _layer(name) else _OF_ALL):
                raise PydanticCustomError("unknown_axis", "{name}", {"name": name})
            least, greatest, whole = _LIMITS[kind]
            if axis.limits[0] < least or axis.limits[1] > greatest:
                raise ValueError(
                    f"{name} goes from {axis.limits[0]:g} to {axis.limits[1]:g}; allowed: {least:g} "
                    + (f"to {greatest:g}" if greatest < math.inf else "or more")
                )
            if whole and isinstance(axis, Range) and axis.step is None and axis.factor is None:
                if axis.sampling == "log":
                    raise ValueError(f"{name} has sampling log; allowed: a list, or steps")
                space[name] = axis = axis.model_copy(update={"step": 1.0})
            if _MOST_VALUES < axis.count < math.inf:
                raise ValueError(f"{name} has {axis.count} values; allowed: up to {_MOST_VALUES}, or a continuous axis")
            if axis.count > len(set(axis.values or ())) and math.isfinite(axis.count):
                raise ValueError(f"{name} has values that are equal in 12 digits; allowed: a larger step or factor")
            if whole and not all(float(value).is_integer() for value in axis.values or ()):
                raise ValueError(f"{name} has a fraction; allowed: whole numbers")
        deepest = int(space["layers"].limits[1])
        unused = [name for name in space if _layer(name) > deepest]
        if unused:
            raise ValueError(f"{unused[0]} is of a layer that no network has; allowed: layers from 1 to {deepest}")
        for layer in range(1, deepest + 1):
            if f"units_{layer}" not in space:
                raise ValueError(f"units_{layer} is missing, and layers goes up to {layer} or more")
            for name in ("dropout", "l2"):
                if (name in space) == (f"{name}_{layer}" in space):
                    raise ValueError(f"{name} and {name}_{layer} are both there or both missing; allowed: one of them")
        return space

    @model_validator(mode="after")
    def _possible(self) -> "SearchParams":
        deepest = max(self.layers)
        if self.dropout_after != "all" and max(self.dropout_after, default=0) > deepest:
            raise ValueError(
                f"dropout_after is {list(self.dropout_after)}; allowed: all, or layers from 1 to {deepest}"
            )
        dropped = range(1, deepest + 1) if self.dropout_after == "all" else self.dropout_after
        for name, axis in self.space.items():
            used = _layer(name) in dropped if _layer(name) else dropped
            if name.startswith("dropout") and axis.count > 1 and not used:
                raise ValueError(
                    f"space.{name} has several values for layers without dropout, because dropout_after is "
                    f"{list(dropped)}; allowed: one value"
                )
        if self.algorithm == "grid":
            endless = [name for name, axis in self.space.items() if math.isinf(axis.count)]
            if endless:
                raise ValueError(f"space.{endless[0]} has no step; allowed with algorithm grid: lists and steps")
        if self.algorithm == "hyperband":
            wanted = sum(trials for round_, trials, _ in rungs(self.max_epochs, self.factor) if round_ == 0)
            if self.combinations < wanted:
                raise ValueError(
                    f"space has {self.combinations:.0f} combinations; allowed with algorithm hyperband, max_epochs "
                    f"{self.max_epochs} and factor {self.factor}: at least {wanted}; algorithm grid tries them all"
                )
        return self


class TuneParams(SearchDefaults):
    """The searches, which name only what differs from the values beside them."""

    searches: Named[SearchParams]

    complete_searches = model_validator(mode="before")(completed("searches"))


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
    return int(number_) if number_.isdecimal() and str(int(number_)) == number_ else 0
