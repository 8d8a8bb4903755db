"""What repeats say about the study: which reported scores were found again, and which conclusions hold."""

from collections.abc import Mapping, Sequence
from statistics import mean

from pipeline.evaluation.intervals import CONFIDENCE, Comparison, prediction_interval
from pipeline.files.runs import Run
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results

# A measured accuracy that differs from the reported one by more is listed.
TOLERANCE = 0.01
# As many decimals as the study reports.
DECIMALS = 4

HOLDS, NOISE, WRONG = "holds", "noise", "wrong"


def differing_accuracies(sections: Sequence[StudySection], results: Results) -> str:
    """Markdown: the reported accuracies that were not found again, and how many of all one more seed could explain."""
    lines, inside, total = [], 0, 0
    for section in sections:
        for run, reported in section.runs.items():
            if "accuracy" not in reported:
                continue
            measured, accuracy = results.runs[run].test["accuracy"], reported["accuracy"]
            bounds = prediction_interval(measured)
            if bounds is not None:
                total += 1
                inside += round(bounds[0], DECIMALS) <= accuracy <= round(bounds[1], DECIMALS)
            if abs(measured.mean - accuracy) > TOLERANCE:
                seed = f"; one more seed: {bounds[0]:.4f} to {bounds[1]:.4f}" if bounds else ""
                lines.append(f"- {section.title}, {run.name}: {measured}, reported {accuracy:.4f}{seed}.")
    text = "\n".join(lines) or "None."
    if not total:
        return text
    return (
        f"{text}\n\nOf the {total} rows with a reported accuracy, {inside} have it where one more seed would lie with "
        f"{100 * CONFIDENCE:.0f} % confidence (Student's t prediction interval)."
    )


def reported_differences(
    sections: Sequence[StudySection], questions: Mapping[str, tuple[Run, Run]]
) -> dict[str, float]:
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


def conclusions(comparisons: Mapping[str, Comparison], reported: Mapping[str, float]) -> str:
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
