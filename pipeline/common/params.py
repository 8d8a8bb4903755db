"""params.yaml as frozen, validated models. Nothing else reads that file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from pipeline.common.command import UserError

PARAMS = Path("params.yaml")


def _number(value: Any) -> Any:
    """Read a number the way DVC does, whoever spelled it.

    ``dvc exp run -S reg.l2=1e-5`` writes ``1e-05``, which YAML 1.1 (PyYAML) takes for a string, because it wants a dot
    before the exponent. ``true`` is not a number, though Python would take it for 1.
    """
    if isinstance(value, bool):
        raise ValueError("a number")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError("a number") from None
    return value


Real = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]


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

    seeds: tuple[Annotated[Whole, Field(ge=0, lt=2**31)], ...]
    epochs: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]

    @field_validator("seeds", mode="before")
    @classmethod
    def _listed(cls, seeds: Any) -> Any:
        if not isinstance(seeds, list) or not seeds:
            raise ValueError("a list of at least one seed")
        return seeds

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds that differ from each other")
        return seeds


class Baseline(_Section):
    """One dense softmax layer."""

    learning_rate: Annotated[Real, Field(gt=0)]


class Params(_Section):
    """The whole of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train
    baseline: Baseline


def load(path: Path = PARAMS) -> Params:
    """Read and check ``path``.

    Raises :class:`UserError` that names each bad parameter, its value and what is allowed: not YAML, an unknown,
    missing or ill-typed parameter, a value out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run the stages from the project's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError("; ".join(_explain(path, detail) for detail in error.errors())) from None


def _explain(path: Path, detail: Any) -> str:
    """One of pydantic's findings in the project's words."""
    name = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            section: Any = Params
            for part in detail["loc"][:-1]:
                section = section.model_fields[part].annotation
            return f"{path}: unknown parameter {name}; allowed here: {', '.join(section.model_fields)}"
        case "missing":
            return f"{path}: {name} is missing"
        case "value_error":
            return f"{path}: {name} is {detail['input']!r}; allowed: {detail['ctx']['error']}"
    rule = detail["msg"].removeprefix("Input should be ").removeprefix("Value ")
    return f"{path}: {name or 'the file'} is {detail['input']!r}; allowed: {rule}"
