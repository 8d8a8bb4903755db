"""The published study: the scores that it reports, by section, beside the runs that params.yaml declares."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.files.runs import Run

REPORTED = Path("pipeline/reporting/reported.yaml")
# The groups of runs that the study has; what lies beyond it is another question.
STUDY_GROUPS = ("baseline", "scale", "regularise", "ablation", "tune")
COMPARISONS = Path("pipeline/reporting/comparisons.yaml")


@dataclass(frozen=True)
class StudySection:
    """A section of the study and its declared runs, each with the reported accuracy and F1 (fractions of 1)."""

    id: str
    title: str
    runs: Mapping[Run, Mapping[str, float]]


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
        result.append(StudySection(section["id"], section["title"], runs))
    return result


def questions(declared: Collection[Run]) -> dict[str, tuple[Run, Run]]:
    """The comparisons that the study draws between two declared runs, by question."""
    content: list[dict[str, Any]] = yaml.safe_load(COMPARISONS.read_text(encoding="utf-8"))
    by_name = {str(run): run for run in declared}
    return {
        entry["question"]: (by_name[entry["runs"][0]], by_name[entry["runs"][1]])
        for entry in content
        if all(name in by_name for name in entry["runs"])
    }
