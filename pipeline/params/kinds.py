"""The kinds of values in params.yaml."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator


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
    """Let numbers pass, which the reader has told from text; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    return value


def filled_list(value: Any) -> Any:
    """Let lists pass that hold something."""
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


Number = Annotated[float, BeforeValidator(number)]
Integer = Annotated[int, BeforeValidator(number)]
Units = Annotated[tuple[Annotated[Integer, Field(ge=1)], ...], BeforeValidator(filled_list)]
Layers = Annotated[Literal["all"] | tuple[int, ...], PlainValidator(_layers)]
LearningRate = Annotated[Number, Field(gt=0)]
Patience = Annotated[Integer, Field(ge=1)]
# 0: never
ReduceRatePatience = Annotated[Integer, Field(ge=0)]
# It becomes part of a stage's name and of paths: no dots, which DVC reads as nesting.
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
