"""params.yaml as frozen, validated models. Nothing else reads that file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, field_validator

from pipeline.common.command import UserError

PARAMS = Path("params.yaml")


def _number(value: Any) -> float:
    """Read a number as it is written, the way DVC does, whoever spelled it.

    ``dvc exp run -S reg.l2=1e-5`` writes ``1e-05``, which YAML 1.1 takes for a string, because it wants a dot before
    the exponent; it takes ``010`` for 8 and ``1:30`` for 90.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("a number") from None


def _list(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one number")
    return value


def _layers(value: Any) -> Any:
    if value == "all":
        return value
    if not isinstance(value, list):
        raise ValueError("all, or a list of hidden layers")
    layers = [_number(layer) for layer in value]
    if not all(layer >= 1 and layer.is_integer() for layer in layers):
        raise ValueError("all, or a list of hidden layers, counted from 1")
    return tuple(int(layer) for layer in layers)


Real = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Units = Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], BeforeValidator(_list)]
Layers = Annotated[Literal["all"] | tuple[int, ...], PlainValidator(_layers)]
Patience = Annotated[Whole, Field(ge=1)]
# It becomes part of a stage's name and of paths: no dots, which DVC reads as nesting.
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fetch(_Section):
    """Which images the study is about."""

    dataset: Literal["cifar10", "digits"]


class Split(_Section):
    """How the training images are divided into train and validation."""

    seed: Annotated[Whole, Field(ge=0, lt=2**32)]
    validation_fraction: Annotated[Real, Field(gt=0, lt=1)]


class Train(_Section):
    """What all training runs share. Every seed trains a model of its own."""

    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0, lt=2**31)], ...], BeforeValidator(_list)]
    epochs: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]
    precision: Literal["float32", "mixed_bfloat16"]

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds that differ from each other")
        return seeds


class Baseline(_Section):
    """One dense softmax layer."""

    learning_rate: Annotated[Real, Field(gt=0)]


class Scale(_Section):
    """One run per architecture: its name and the widths of its hidden layers."""

    learning_rate: Annotated[Real, Field(gt=0)]
    architectures: Annotated[dict[RunName, Units], Field(min_length=1)]


class Regularisation(_Section):
    """How a run is regularised and trained. ``dropout_after`` counts the hidden layers from 1."""

    l2: Annotated[Real, Field(ge=0)]
    dropout: Annotated[Real, Field(ge=0, lt=1)]
    dropout_after: Layers
    learning_rate: Annotated[Real, Field(gt=0)]


class Reg(Regularisation):
    """The model that the stage regularise trains."""

    units: Units
    patience: Patience


class AblationRun(Regularisation):
    """One run of the ablation; ``units`` and ``patience`` None: those of :class:`Ablation`."""

    units: Units | None = None
    patience: Patience | None = None


class Ablation(_Section):
    """Runs that differ in how they are regularised, and what they share."""

    units: Units
    patience: Patience
    runs: Annotated[dict[RunName, AblationRun], Field(min_length=1)]


class Params(_Section):
    """The whole of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train
    baseline: Baseline
    scale: Scale
    reg: Reg
    ablation: Ablation


def load(path: Path = PARAMS) -> Params:
    """Read and check ``path``.

    Raises :class:`UserError` that names each bad parameter, its value and what is allowed: not YAML, an unknown,
    missing or ill-typed parameter, a value out of range.
    """
    try:
        # BaseLoader leaves every scalar as it was written: what a number is, is decided here, and not by YAML 1.1.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run the stages from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise UserError("; ".join(f"{path}: {_explain(detail)}" for detail in error.errors())) from None
    _check_layers(path, "reg", params.reg.dropout_after, params.reg.units)
    for name, run in params.ablation.runs.items():
        _check_layers(path, f"ablation.runs.{name}", run.dropout_after, run.units or params.ablation.units)
    return params


def _check_layers(path: Path, name: str, layers: Layers, units: tuple[int, ...]) -> None:
    """Refuse dropout after a hidden layer that does not exist."""
    if layers != "all" and max(layers, default=0) > len(units):
        raise UserError(
            f"{path}: {name}.dropout_after is {list(layers)}; allowed: all, or layers from 1 to {len(units)}"
        )


def _explain(detail: Any) -> str:
    """One of pydantic's findings in the project's words."""
    place = [str(part) for part in detail["loc"] if part != "[key]"]
    name, value = ".".join(place) or "the content", detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown parameter {name}; allowed here: {', '.join(_allowed(place[:-1]))}"
        case "missing":
            return f"{name} is missing"
        case "string_pattern_mismatch":
            return f"{'.'.join(place[:-1])} has the name {value!r}; allowed: letters, digits, - and _"
        case "value_error":
            return f"{name} is {_written(value)}; allowed: {detail['ctx']['error']}"
    return f"{name} is {_written(value)}; allowed: {detail['msg'].removeprefix('Input should be ')}"


def _written(value: Any) -> str:
    """A value as it stands in the file."""
    return str(value).replace("'", "") or "empty"


def _allowed(place: list[str]) -> Iterable[str]:
    """The parameters that the section at ``place`` may have."""
    section: Any = Params
    for part in place:
        # A mapping from names to sections has these as its second argument.
        section = section.model_fields[part].annotation if hasattr(section, "model_fields") else get_args(section)[1]
    fields: Iterable[str] = section.model_fields
    return fields
