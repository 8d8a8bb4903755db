"""What each part of a run is worth: runs that lack one part of it, or have another in its place, beside it."""

from collections.abc import Mapping, Sequence

import numpy as np
import yaml

from pipeline.evaluation.comparison import SIGNIFICANCE, Comparison, compare_paired
from pipeline.evaluation.intervals import Interval, image_interval
from pipeline.evaluation.statistics import Statistic
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
    of_runs,
)
from pipeline.reporting.markdown import magnitude, table
from pipeline.reporting.results import Results, correct

# By base run, and then by the name of the run that is compared with it.
Parts = Mapping[Run, Mapping[str, Answer]]

# The row of a base run whose models average several looks at an image: the same models at one.
ONE_LOOK = "at one look"

_METHOD = METHOD.format(
    order="the row less the base run", declared="all rows of a base run, those not yet trained included"
)

_PAIRED = f"""The row "{ONE_LOOK}" is of the base run's own models, which then see each test image once, unchanged.
Here seeds are paired: the test is Student's on the differences of each model from itself."""

_VERDICTS = f"""{WORSE}, {BETTER}: Holm's p is below {SIGNIFICANCE}, so the row is told apart from the base run.
{NOT_TOLD_APART}: these seeds cannot tell, which does not say that the part is worth nothing. No row is selected."""


def answers(results: Results) -> Parts:
    """How each run that params.yaml compares with another, and that is there like that one, differs from it."""
    found = {}
    for base in dict.fromkeys(results.compared.values()):
        rows = _rows(results, base)
        compared = {row.name: of_runs(results, row, base) for row in rows if {row, base} <= results.runs.keys()}
        if base in results.runs and results.runs[base].one_look is not None:
            compared[ONE_LOOK] = _at_one_look(results, base)
        found[base] = answered(compared, len(rows) + (ONE_LOOK in compared), reported={})
    return found


def _at_one_look(results: Results, base: Run) -> tuple[Comparison, Interval]:
    differences = correct(base, results.seeds, "one-look").astype(np.float64) - correct(base, results.seeds)
    return compare_paired(Statistic.of(differences.mean(axis=1))), image_interval(differences.mean(axis=0))


def by_question(parts: Parts) -> dict[str, Answer]:
    """The answers as metrics/comparisons.json has them, beside those to the declared questions."""
    return {
        f"{base} better {name}?" if name == ONE_LOOK else f"{base.group}/{name} better than {base}?": answer
        for base, rows in parts.items()
        for name, answer in rows.items()
    }


def texts(results: Results, parts: Parts) -> list[str]:
    """The report's paragraphs: a table of each base run."""
    paragraphs = [_METHOD, _VERDICTS]
    for base, rows in parts.items():
        paragraphs.append(f"### {base.title} without a part")
        declared = _rows(results, base)
        if base in results.runs:
            own = results.runs[base]
            cost = f"training one seed costs {magnitude(own.multiply_adds.mean)} multiply-adds"
            paragraphs.append(f"Base run: test accuracy {own.test['accuracy']}; {cost}.")
        if rows:
            paragraphs.append(comparison_table(rows, MEASURED, what="row"))
            paragraphs.append(_what_differs(results, [row for row in declared if row.name in rows]))
        if ONE_LOOK in rows:
            paragraphs.append(_PAIRED)
        absent = [run.name for run in (base, *declared) if run not in results.runs]
        if absent:
            paragraphs.append(f"Not run yet: {', '.join(absent)}.")
    return paragraphs


def _what_differs(results: Results, rows: Sequence[Run]) -> str:
    """A table of ``rows``: every parameter in which each differs from its base run, and what its training costs."""
    return table(
        ["row", "its parameters, and the base run's", "multiply-adds"],
        [
            [
                row.name,
                ", ".join(
                    f"{name} {_value(own)} ({_value(base)})"
                    for name, (own, base) in results.differences.get(row, {}).items()
                ),
                magnitude(results.runs[row].multiply_adds.mean),
            ]
            for row in rows
        ],
    )


def _value(value: object) -> str:
    """``value`` as params.yaml has it."""
    listed = list(value) if isinstance(value, tuple) else value
    return str(yaml.safe_dump(listed, default_flow_style=True)).removesuffix("...\n").strip()


def _rows(results: Results, base: Run) -> list[Run]:
    return [row for row, other in results.compared.items() if other == base]
