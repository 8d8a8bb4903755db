"""What is published: the study's scores, by section, beside the runs that params.yaml declares, and others' results."""

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


@dataclass(frozen=True)
class StudySection:
    """A section of the study and its declared runs, each with the reported accuracy and F1 (fractions of 1).

    ``images_trained`` is on how many images, each counted in every epoch, the study trained each; None where it does
    not say.
    """

    id: str
    title: str
    runs: Mapping[Run, Mapping[str, float]]
    images_trained: int | None = None


@dataclass(frozen=True)
class Published:
    """A result of others: mean test accuracy over ``n`` models, and the multiply-adds of one training."""

    name: str
    accuracy: float
    n: int
    multiply_adds: float
    source: str


def sections(declared: Collection[Run]) -> list[StudySection]:
    """The study's sections. A run that the study does not have belongs to the section that names its group."""
    content: list[dict[str, Any]] = yaml.safe_load(REPORTED.read_text(encoding="utf-8"))
    by_name = {str(run): run for run in declared}
    reported = {name for section in content for name in section["runs"]}
    result = []
    for section in content:
        scores: dict[str, dict[str, float]] = dict(section["runs"])
        scores |= {
            name: {} for name, run in by_name.items() if run.group == section.get("group") and name not in reported
        }
        runs = {by_name[name]: values for name, values in scores.items() if name in by_name}
        result.append(StudySection(section["id"], section["title"], runs, section.get("images_trained")))
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

    Raises :class:`UserError` where an entry is not a question of its own with two runs.
    """
    try:
        content = yaml.safe_load(COMPARISONS.read_text(encoding="utf-8")) or []
    except yaml.YAMLError as error:
        raise UserError(f"{COMPARISONS} is not YAML: {' '.join(str(error).split())}") from None
    found: dict[str, tuple[str, str]] = {}
    for number, entry in enumerate(content if isinstance(content, list) else [content], start=1):
        match entry:
            case {"question": str(question), "runs": [str(first), str(second)]} if first != second:
                if question in found:
                    raise UserError(f"{COMPARISONS}: entry {number} has the question {question!r} again")
                found[question] = first, second
            case _:
                raise UserError(f"{COMPARISONS}: entry {number} is {entry!r}; allowed: question, and runs: two runs")
    return found


def questions(declared: Collection[Run]) -> dict[str, tuple[Run, Run]]:
    """The declared comparisons of which both runs are among ``declared``, by question."""
    by_name = {str(run): run for run in declared}
    return {
        question: (by_name[first], by_name[second])
        for question, (first, second) in comparisons().items()
        if first in by_name and second in by_name
    }
