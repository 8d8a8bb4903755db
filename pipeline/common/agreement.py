"""Do the study's figures agree with those measured here? It trained every configuration once."""

import math
from collections.abc import Mapping, Sequence

from scipy import stats

from pipeline.common.comparisons import CONFIDENCE, Interval
from pipeline.common.results import Results, figure
from pipeline.common.study import Section

# A measured accuracy that differs from the reported one by more is called a contradiction.
TOLERANCE = 0.01
# As many decimals as the study reports.
DECIMALS = 4


def prediction_interval(measure: Mapping[str, float]) -> Interval | None:
    """Where one more seed would lie with 95 % confidence, given mean, std and n of others; None for one seed.

    Student's t prediction interval (Hahn and Meeker, Statistical Intervals, 1991), to four decimals.
    """
    if "std" not in measure:
        return None
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, measure["n"] - 1))
    reach = quantile * measure["std"] * math.sqrt(1 + 1 / measure["n"])
    return round(measure["mean"] - reach, DECIMALS), round(measure["mean"] + reach, DECIMALS)


def agreement(sections: Sequence[Section], results: Results) -> str:
    """Markdown: the reported accuracies that were not found again, and how many of all one more seed could explain."""
    lines, inside, total = [], 0, 0
    for section in sections:
        for run, reported in section.runs.items():
            if "accuracy" not in reported:
                continue
            measured, accuracy = results.tested[run]["accuracy"], reported["accuracy"]
            interval = prediction_interval(measured)
            if interval is not None:
                total += 1
                inside += interval[0] <= accuracy <= interval[1]
            if abs(measured["mean"] - accuracy) > TOLERANCE:
                seed = f"; one more seed: {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
                lines.append(f"- {section.title}, {run.name}: {figure(measured)}, reported {accuracy:.4f}{seed}.")
    text = "\n".join(lines) or "None."
    if not total:
        return text
    return (
        f"{text}\n\nOf the {total} rows with a reported accuracy, {inside} have it where one more seed would lie with "
        f"{100 * CONFIDENCE:.0f} % confidence (Student's t prediction interval)."
    )
