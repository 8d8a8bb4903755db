"""What is published: the study's scores, by section, beside the runs that params.yaml declares, and others' results."""

import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.files.errors import UserError
from pipeline.files.runs import Run

REPORTED = Path("pipeline/reporting/reported.yaml")
# The groups of runs that the study has; what lies beyond it is another question.
STUDY_GROUPS = ("baseline", "scale", "regularise", "ablation", "tune")
COMPARISONS = Path("pipeline/reporting/comparisons.yaml")
ELSEWHERE = Path("pipeline/reporting/elsewhere.yaml")

# A wrong entry as it stands in the file, whatever its size.
_SHORT = reprlib.Repr()
_SHORT.maxstring = 80


@dataclass(frozen=True)
class StudySection:
    """A section of the study and its declared runs, each with the reported accuracy and F1 (fractions of 1).

    ``images_trained`` is images times epochs of each run's training in the study; None where it does not
    say. ``repeats``: whether its runs are those of another section, which the study trained again.
    """

    id: str
    title: str
    runs: Mapping[Run, Mapping[str, float]]
    images_trained: int | None = None
    repeats: bool = False


@dataclass(frozen=True)
class Published:
    """A result of others: mean test accuracy over ``n`` models (None: not said), and multiply-adds of one training."""

    name: str
    accuracy: float
    n: int | None
    multiply_adds: float
    source: str


def sections(declared: Collection[Run], comparable: bool) -> list[StudySection]:
    """The sections that have runs. A run that the study does not have belongs to the section that names its group.

    Where the images are not ``comparable``, because the study had others, no section reports a figure or has a place in
    the study, and none repeats another.
    """
    content: list[dict[str, Any]] = yaml.safe_load(REPORTED.read_text(encoding="utf-8"))
    by_name = {str(run): run for run in declared}
    reported = {name for section in content for name in section["runs"]}
    result = []
    for section in content:
        scores: dict[str, dict[str, float]] = dict(section["runs"])
        scores |= {
            name: {} for name, run in by_name.items() if run.group == section.get("group") and name not in reported
        }
        runs = {by_name[name]: values if comparable else {} for name, values in scores.items() if name in by_name}
        place = f" ({section['in_study']})" if comparable and "in_study" in section else ""
        repeats = section.get("repeats", False)
        if runs and (comparable or not repeats):
            images = section.get("images_trained") if comparable else None
            result.append(StudySection(section["id"], section["title"] + place, runs, images, repeats))
    return result


def elsewhere() -> list[Published]:
    """What others published of networks trained from scratch on CIFAR-10."""
    content: list[dict[str, Any]] = yaml.safe_load(ELSEWHERE.read_text(encoding="utf-8"))
    return [
        Published(entry["name"], entry["accuracy"], entry["n"], entry["operations"] / 2, entry["source"])
        for entry in content
    ]


def comparisons() -> dict[str, tuple[str, str]]:
    """All declared comparisons: by question the names of two runs, whether these are there or not.

    Raises :class:`UserError` where the file cannot be read, or an entry is not a question of its own with two runs that
    no other entry compares.
    """
    found: dict[str, tuple[str, str]] = {}
    for number, entry in enumerate(_entries(COMPARISONS), start=1):
        match entry:
            case {"question": str(question), "runs": [str(first), str(second)], **others} if (
                question.strip() and first != second and not others
            ):
                if question in found:
                    raise UserError(f"{COMPARISONS}: entry {number} has the question {question!r} again")
                if (first, second) in found.values() or (second, first) in found.values():
                    raise UserError(f"{COMPARISONS}: entry {number} compares {first} and {second} again")
                found[question] = first, second
            case _:
                written = _SHORT.repr(entry)
                raise UserError(f"{COMPARISONS}: entry {number} is {written}; allowed: question, and runs: two runs")
    return found


def _entries(path: Path) -> list[Any]:
    """The entries of a YAML list, or all of the file as one if it holds something else.

    Raises :class:`UserError` where it is not YAML, or an entry has a key twice, of which PyYAML would drop the first.
    """
    found, place = [], ""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        if root is None or root.tag == "tag:yaml.org,2002:null":
            return []
        for number, node in enumerate(root.value if isinstance(root, yaml.SequenceNode) else [root], start=1):
            place = f": entry {number}"
            keys = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
            if twice := next((key for key in keys if keys.count(key) > 1), None):
                raise ValueError(f"it has the key {twice!r} twice")
            found.append(loader.construct_document(node))
    except RecursionError:
        reason = "nested too deeply"
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
    else:
        return found
    raise UserError(f"{path}{place} cannot be read as YAML: {reason}")


def questions(declared: Collection[Run]) -> dict[str, tuple[Run, Run]]:
    """The declared comparisons of which both runs are among ``declared``, by question."""
    by_name = {str(run): run for run in declared}
    return {
        question: (by_name[first], by_name[second])
        for question, (first, second) in comparisons().items()
        if first in by_name and second in by_name
    }
