"""What repeats say about the study's conclusions: which hold, which were noise, which were wrong."""

from collections.abc import Mapping, Sequence
from statistics import mean

from pipeline.common.comparisons import Comparison
from pipeline.common.runs import Run
from pipeline.common.study import Section

HOLDS, NOISE, WRONG = "holds", "noise", "wrong"


def reported_differences(sections: Sequence[Section], questions: Mapping[str, tuple[Run, Run]]) -> dict[str, float]:
    """The difference in accuracy, first run less second, that the study reports for each of ``questions``.

    Where the study trained a run twice, the mean of both is taken; a question with a run that it does not report is
    left out.
    """
    accuracies: dict[Run, list[float]] = {}
    for section in sections:
        for run, reported in section.runs.items():
            if "accuracy" in reported:
                accuracies.setdefault(run, []).append(reported["accuracy"])
    return {
        question: mean(accuracies[first]) - mean(accuracies[second])
        for question, (first, second) in questions.items()
        if first in accuracies and second in accuracies
    }


def conclusion(comparison: Comparison, reported: float) -> str | None:
    """What becomes of the reported difference; None where one seed says nothing about the spread."""
    if comparison.over_seeds is None:
        return None
    low, high = comparison.over_seeds
    if low <= 0 <= high:
        return NOISE
    return HOLDS if comparison.difference * reported > 0 else WRONG


def in_words(comparisons: Mapping[str, Comparison], reported: Mapping[str, float]) -> str:
    """A Markdown list: the questions that were answered as the study did, not at all, and the other way round."""
    if any(comparison.over_seeds is None for comparison in comparisons.values()):
        return "With one seed nothing is known of the spread: none of the study's conclusions can be judged."
    titles = {
        HOLDS: "As the study concludes, and larger than the spread over seeds",
        NOISE: "Within the spread over seeds, so that the study's single runs could not tell",
        WRONG: "The other way round than the study concludes",
    }
    lines = []
    for kind, title in titles.items():
        found = [question for question, value in reported.items() if conclusion(comparisons[question], value) == kind]
        lines.append(f"- {title} ({len(found)} of {len(reported)}): {' '.join(found) or 'none.'}")
    return "\n".join(lines)
