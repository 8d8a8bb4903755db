"""What each part of a run is worth: runs that lack one part of it, or have another in its place, beside it."""

from collections.abc import Mapping

from pipeline.evaluation.comparison import SIGNIFICANCE
from pipeline.files.runs import Run
from pipeline.reporting.comparisons import (
    BETTER,
    MEASURED,
    METHOD,
    NOT_TOLD_APART,
    WORSE,
    Answer,
    answered,
    comparison_table,
)
from pipeline.reporting.results import Results

# By base run, and then by the name of the run that is compared with it.
Parts = Mapping[Run, Mapping[str, Answer]]

_METHOD = METHOD.format(order="the row less the base run", declared="all rows of a base run, run or not")

_VERDICTS = f"""{WORSE}, {BETTER}: Holm's p is below {SIGNIFICANCE}, so the row is told apart from the base run.
{NOT_TOLD_APART}: these seeds cannot tell, which does not say that the part is worth nothing. No row is selected."""


def answers(results: Results) -> Parts:
    """How each run that params.yaml compares with another, and that is there like that one, differs from it."""
    found = {}
    for base in dict.fromkeys(results.compared.values()):
        rows = _rows(results, base)
        pairs = {row.name: (row, base) for row in rows if {row, base} <= results.runs.keys()}
        found[base] = answered(results, pairs, len(rows), reported={})
    return found


def by_question(parts: Parts) -> dict[str, Answer]:
    """The answers as metrics/comparisons.json has them, beside those to the declared questions."""
    return {
        f"{base.group}/{name} better than {base}?": answer
        for base, rows in parts.items()
        for name, answer in rows.items()
    }


def texts(results: Results, parts: Parts) -> list[str]:
    """The report's paragraphs: a table of each base run."""
    paragraphs = [_METHOD, _VERDICTS]
    for base, rows in parts.items():
        paragraphs.append(f"### {base.title} without a part")
        if base in results.runs:
            paragraphs.append(f"Base run: test accuracy {results.runs[base].test['accuracy']}.")
        if rows:
            paragraphs.append(comparison_table(rows, MEASURED, what="row"))
        absent = [run.name for run in (base, *_rows(results, base)) if run not in results.runs]
        if absent:
            paragraphs.append(f"Not run yet: {', '.join(absent)}.")
    return paragraphs


def _rows(results: Results, base: Run) -> list[Run]:
    return [row for row, other in results.compared.items() if other == base]
