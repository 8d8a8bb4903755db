"""params.yaml as frozen, validated models. Nothing else reads that file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator

from pipeline.common.command import UserError
from pipeline.common.searches import Range, Tune
from pipeline.common.values import Layers, Patience, Real, ReduceRatePatience, Section, Units, Whole, filled_list

PARAMS = Path("params.yaml")


# It becomes part of a stage's name and of paths: no dots, which DVC reads as nesting.
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class Fetch(Section):
    """Which images the study is about. ``path`` is for the dataset "folder" alone."""

    dataset: Literal["cifar10", "digits", "folder"]
    path: str


class Split(Section):
    """How the training images are divided into train and validation."""

    seed: Annotated[Whole, Field(ge=0, lt=2**32)]
    validation_fraction: Annotated[Real, Field(gt=0, lt=1)]


class Train(Section):
    """What all training runs share. Every seed trains a model of its own."""

    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0, lt=2**31)], ...], BeforeValidator(filled_list)]
    epochs: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]
    precision: Literal["float32", "mixed_bfloat16"]
    device: Literal["auto", "cpu", "gpu"]
    strategy: Literal["one_device", "mirrored"]

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds that differ from each other")
        return seeds


class Baseline(Section):
    """One dense softmax layer."""

    learning_rate: Annotated[Real, Field(gt=0)]


class Scale(Section):
    """One run per architecture: its name and the widths of its hidden layers."""

    learning_rate: Annotated[Real, Field(gt=0)]
    architectures: Annotated[dict[RunName, Units], Field(min_length=1)]


class Regularisation(Section):
    """How a run is regularised and trained. ``dropout_after`` counts the hidden layers from 1."""

    l2: Annotated[Real, Field(ge=0)]
    dropout: Annotated[Real, Field(ge=0, lt=1)]
    dropout_after: Layers
    learning_rate: Annotated[Real, Field(gt=0)]


class Reg(Regularisation):
    """The model that the stage regularise trains."""

    units: Units
    patience: Patience
    reduce_lr_patience: ReduceRatePatience


class AblationRun(Regularisation):
    """One run of the ablation; ``units`` and ``patience`` None: those of :class:`Ablation`."""

    units: Units | None = None
    patience: Patience | None = None
    reduce_lr_patience: ReduceRatePatience = 0


class Ablation(Section):
    """Runs that differ in how they are regularised, and what they share."""

    units: Units
    patience: Patience
    runs: Annotated[dict[RunName, AblationRun], Field(min_length=1)]


class Params(Section):
    """The whole of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train
    baseline: Baseline
    scale: Scale
    reg: Reg
    ablation: Ablation
    tune: Tune


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
    if params.fetch.dataset == "folder" and not params.fetch.path:
        raise UserError(f"{path}: fetch.path is empty; allowed with fetch.dataset folder: a directory or tar archive")
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
    # Of a search's axis, which is a list or a mapping, only the latter has parameters.
    fields: Iterable[str] = (section if hasattr(section, "model_fields") else Range).model_fields
    return fields
