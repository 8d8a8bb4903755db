"""The kinds of values in params.yaml that YAML and pydantic do not read as its users mean them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator


def number(value: Any) -> float:
    """Read a number as it is written, the way DVC does, whoever spelled it.

    ``dvc exp run -S reg.l2=1e-5`` writes ``1e-05``, which YAML 1.1 takes for a string, because it wants a dot before
    the exponent; it takes ``010`` for 8 and ``1:30`` for 90.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("a number") from None


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
    if not all(layer >= 1 and layer.is_integer() for layer in layers):
        raise ValueError("all, or a list of hidden layers, counted from 1")
    return tuple(int(layer) for layer in layers)


Real = Annotated[float, BeforeValidator(number)]
Whole = Annotated[int, BeforeValidator(number)]
Units = Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], BeforeValidator(filled_list)]
Layers = Annotated[Literal["all"] | tuple[int, ...], PlainValidator(_layers)]
Patience = Annotated[Whole, Field(ge=1)]
# 0: never
ReduceRatePatience = Annotated[Whole, Field(ge=0)]


class Section(BaseModel):
    """A mapping of params.yaml: nothing but its own parameters, and nothing changes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
