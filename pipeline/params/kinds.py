"""The kinds of values in params.yaml."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

# Networks compute in float32, whose normal numbers these are: what is smaller counts as 0, what is larger as infinite.
_LEAST, _GREATEST = 2.0**-126, (2 - 2**-23) * 2.0**127
# The share of values that dropout drops: of more, next to nothing would be left to train on.
MOST_DROPOUT = 0.99
# A network of more is compiled for minutes to hours.
MOST_LAYERS = 64

_Entry = TypeVar("_Entry")


class ParamSection(BaseModel):
    """A mapping of params.yaml: nothing but its own parameters, and nothing changes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def completed(name: str) -> Callable[[Any], Any]:
    """A validator of a section: each entry of its mapping ``name`` takes what it does not name from the section."""

    def complete(section: Any) -> Any:
        if not isinstance(section, dict) or not isinstance(section.get(name), dict):
            return section
        shared = {key: value for key, value in section.items() if key != name}
        entries = {key: shared | entry if isinstance(entry, dict) else entry for key, entry in section[name].items()}
        return section | {name: entries}

    return complete


def number(value: Any) -> float:
    """``value``, if it is a number that float32 can hold. Raises ValueError otherwise, also for text and booleans."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    if not abs(value) < math.inf:
        raise ValueError("a finite number")
    if value and not _LEAST <= abs(value) <= _GREATEST:
        raise ValueError(f"0, or a number from {_LEAST:.2g} to {_GREATEST:.2g}, because networks compute in float32")
    return value


def filled_list(value: Any) -> Any:
    """``value``, if it is a list with an entry. Raises ValueError otherwise."""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one number")
    return value


def _layers(value: Any) -> Any:
    if value == "all":
        return value
    if not isinstance(value, list):
        raise ValueError("all, or a list of hidden layers")
    layers = [number(layer) for layer in value]
    if not all(layer >= 1 and float(layer).is_integer() for layer in layers):
        raise ValueError("all, or a list of hidden layers, counted from 1")
    return tuple(int(layer) for layer in layers)


def _one_folder_each(entries: dict[str, _Entry]) -> dict[str, _Entry]:
    """``entries``, if no two names differ in capitals alone: some file systems take these for one folder."""
    known: dict[str, str] = {}
    for name in entries:
        other = known.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"{name} differs from {other} in capitals alone; allowed: a name that differs in more")
    return entries


Number = Annotated[float, BeforeValidator(number)]
# The upper limit of seeds and sizes.
Integer = Annotated[int, BeforeValidator(number), Field(lt=2**32)]
# Below 1 in float32 too, where a number much nearer to it would be 1.
Fraction = Annotated[Number, Field(ge=0, le=0.999999)]
Dropout = Annotated[Number, Field(ge=0, le=MOST_DROPOUT)]
Units = Annotated[
    tuple[Annotated[Integer, Field(ge=1)], ...], BeforeValidator(filled_list), Field(max_length=MOST_LAYERS)
]
Layers = Annotated[Literal["all"] | tuple[int, ...], PlainValidator(_layers)]
LearningRate = Annotated[Number, Field(gt=0)]
Patience = Annotated[Integer, Field(ge=1)]
# 0: never
ReduceRatePatience = Annotated[Integer, Field(ge=0)]
# It becomes part of a stage's name and of paths: no dots, which DVC reads as nesting.
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
# What a section declares by name: runs, architectures, searches.
Named = Annotated[dict[RunName, _Entry], Field(min_length=1), AfterValidator(_one_folder_each)]
