"""What the study reports beside what was measured: which accuracies were found again, and its differences."""

from collections.abc import Mapping, Sequence
from statistics import mean

from pipeline.evaluation.intervals import CONFIDENCE, prediction_interval
from pipeline.files.runs import Run
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results

# A measured accuracy that differs from the reported one by more is listed.
TOLERANCE = 0.01
# As many decimals as the study reports.
DECIMALS = 4


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
