"""params.yaml as frozen, validated models. pipeline/ reads it nowhere else."""

import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.files.errors import UserError
from pipeline.params.beyond import BeyondParams
from pipeline.params.folds import FoldsParams
from pipeline.params.images import FetchParams, SplitParams
from pipeline.params.kinds import ParamSection
from pipeline.params.search import Range, TuneParams
from pipeline.params.training import AblationParams, BaselineParams, RegulariseParams, ScaleParams, TrainParams

PARAMS = Path("params.yaml")

SectionName = Literal["fetch", "split", "train", "baseline", "scale", "reg", "ablation", "tune", "beyond", "folds"]
SECTIONS: tuple[SectionName, ...] = get_args(SectionName)

# Findings of pydantic that concern a parameter's name and not its value.
_UNKNOWN = ("extra_forbidden", "unknown_axis")

# A wrong value as it stands in the file, whatever its size: aliases of aliases may make it endless.
_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = 12
_SHORT.maxlevel, _SHORT.maxstring = 3, 80


class Params(ParamSection):
    """The sections of params.yaml that were read."""

    fetch: FetchParams
    split: SplitParams
    train: TrainParams
    baseline: BaselineParams
    scale: ScaleParams
    reg: RegulariseParams
    ablation: AblationParams
    tune: TuneParams
    beyond: BeyondParams
    folds: FoldsParams


def load(*sections: SectionName, path: Path = PARAMS) -> Params:
    """Read and check ``sections`` of ``path``; a section that is not among them is no attribute of the result.

    So a wrong value elsewhere hinders no stage. An unknown parameter is refused wherever it stands, because it is a
    slip whose value nobody reads. Raises :class:`UserError` that names each bad parameter, its value and what is
    allowed.
    """
    try:
        # YAML 1.2, as DVC reads and writes it: PyYAML takes the 1e-05 of `dvc exp run -S` for text.
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run the stages from the project's root") from None
    except (YAMLError, ValueError, LookupError) as error:
        raise UserError(f"{path} is not YAML: {_cause(error)}") from None
    except RecursionError:
        raise UserError(f"{path} is not YAML that can be read: its lists or mappings are nested too deeply") from None
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        findings = [finding for finding in _once(error.errors()) if _concerns(finding, sections)]
        if findings or not isinstance(content, dict):
            raise UserError("; ".join(f"{path}: {_explain(finding)}" for finding in findings)) from None
        return Params.model_construct(
            **{
                name: TypeAdapter(Params.model_fields[name].rebuild_annotation()).validate_python(content[name])
                for name in sections
            }
        )
    return Params.model_construct(**{name: getattr(params, name) for name in sections})


def _cause(error: Exception) -> str:
    """What is wrong with the file, and where; not what ruamel advises to programmers."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    return f"line {error.problem_mark.line + 1}: {' '.join(error.problem.split())}"


def _once(findings: Sequence[Any]) -> list[Any]:
    """``findings`` without those of a run or search that only repeat one of its section, whose value it takes."""
    of_sections = {(finding["loc"], finding["type"]) for finding in findings}
    return [
        finding
        for finding in findings
        if len(finding["loc"]) < 4 or ((finding["loc"][0], *finding["loc"][3:]), finding["type"]) not in of_sections
    ]


def _concerns(finding: Any, sections: Iterable[str]) -> bool:
    return not finding["loc"] or finding["type"] in _UNKNOWN or finding["loc"][0] in sections


def _explain(finding: Any) -> str:
    """One of pydantic's findings in the project's words."""
    place = [_written(part) for part in finding["loc"] if part != "[key]"]
    name, value, message = ".".join(place), finding["input"], finding["msg"]
    match finding["type"]:
        case "extra_forbidden":
            return f"unknown parameter {name}; allowed here: {', '.join(_allowed(place[:-1]))}"
        case "unknown_axis":
            axes = "layers, learning_rate, dropout, l2, units_1, dropout_1, l2_1 and so on"
            return f"unknown parameter {name}.{finding['msg']}; allowed here: {axes}"
        case "missing":
            return f"{name} is missing"
        case "string_pattern_mismatch":
            allowed = "letters, digits, - and _, at most 100, no - or _ in front"
            return f"{'.'.join(place[:-1])} has the name {_SHORT.repr(value)}; allowed: {allowed}"
        case "string_type" if finding["loc"][-1] == "[key]":
            return f"{'.'.join(place[:-1])} has the name {_written(value)}, which is no text; allowed: a name in quotes"
        case "value_error":
            said = str(finding["ctx"]["error"])
            # What a section says begins with the parameter within it; what a value says is only what is allowed.
            whole = " is missing" in said or "; allowed" in said
            return f"{name}.{said}" if whole else f"{name} is {_written(value)}; allowed: {said}"
        case "too_short":
            message = f"at least {finding['ctx']['min_length']} item"
        case "too_long":
            message = f"at most {finding['ctx']['max_length']} items"
        case "int_parsing_size":
            message = f"less than {2**32}"
    allowed = message.removeprefix("Input should be ").partition(" or instance of ")[0]
    return f"{name or 'the content'} is {_written(value)}; allowed: {allowed}"


def _written(value: Any) -> str:
    """A value as it stands in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if value in (None, ""):
        return "empty"
    text = (_SHORT.repr(value) if isinstance(value, str | int | list | dict) else str(value)).replace("'", "")
    return text if len(text) <= 120 else f"{text[:117]}..."


def _allowed(place: list[str]) -> Iterable[str]:
    """The parameters that the section at ``place`` may have."""
    section: Any = Params
    for part in place:
        # A mapping from names to sections has these as its second argument.
        section = section.model_fields[part].annotation if hasattr(section, "model_fields") else get_args(section)[1]
    # Of a search's axis, which is a list or a mapping, only the latter has parameters.
    fields: Iterable[str] = (section if hasattr(section, "model_fields") else Range).model_fields
    return fields
