"""What a reviewer reads: parameters, metrics and plots of the work tree beside those of a revision. Not a stage.

python -m tools.review REV [TITLE] writes review/review.md and, beside it, the plots of both sides.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pipeline.console import command
from pipeline.evaluation.comparison import SIGNIFICANCE
from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import atomic_write, write_text
from pipeline.files.names import counted
from pipeline.params.reading import PARAMS
from pipeline.reporting.markdown import interval, probability, table
from tools import changes, staleness
from tools.changes import Change

FOLDER = Path("review")
# From here on a number is shown by its magnitude, as multiply-adds are.
LARGE = 1e6


def parameter_table(changed: Sequence[tuple[str, object, object]] | None) -> str:
    """The parameters that changed; None where they cannot be read or are not there."""
    if changed is None:
        return f"Not compared: {PARAMS} {'cannot be read' if PARAMS.exists() else 'is missing'}."
    return _values_table("parameter", changed)


def text_table(changed: Sequence[tuple[str, object, object]]) -> str:
    """The texts of metrics files that changed."""
    return _values_table("name", changed)


def _values_table(kind: str, changed: Sequence[tuple[str, object, object]]) -> str:
    rows = [[f"`{name}`", _value(before), _value(after)] for name, before, after in changed]
    return table([kind, "before", "after"], rows) if rows else f"No {kind} changed."


def metric_table(changed: Sequence[Change]) -> str:
    """The scores that changed, worst first and then by name, each with what the change means."""
    order = ("not a number", "missing", "worse", "better", "unknown", "removed", "new", "changed", "not told apart")
    rows = [
        [
            change.path.removeprefix("metrics/").removesuffix(".json"),
            change.name,
            _statistic(change.before),
            _statistic(change.after),
            _difference(change),
            interval(change.comparison.over_seeds if change.comparison else None),
            probability(change.comparison.p if change.comparison else None),
            change.verdict,
        ]
        for change in sorted(changed, key=lambda c: (order.index(c.verdict.partition(":")[0]), c.path, c.name))
    ]
    header = ["metrics", "score", "before", "after", "difference", "95 % interval", "p", "verdict"]
    return table(header, rows) if rows else "No metric changed."


def answer_table(changed: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """The declared comparisons whose verdict changed."""
    rows = [
        [question, *(cell for side in sides for cell in (_p(side.get("holm_p")), str(side.get("verdict", ""))))]
        for question, *sides in changed
    ]
    header = ["question", "Holm's p before", "verdict before", "Holm's p after", "verdict after"]
    return table(header, rows) if rows else "No verdict changed."


def chance(changed: Sequence[Change]) -> str:
    """What the marks mean, and how many of them chance alone would make."""
    tested = sum(change.comparison is not None and change.comparison.p is not None for change in changed)
    text = (
        f"Better or worse: p of Welch's t-test over seeds is below {SIGNIFICANCE}. Not told apart: these seeds cannot "
        "tell, which does not say that nothing changed. Unknown: p cannot be computed, for the reason named. Changed: "
        "not tested, because neither direction is better, because the models of folds share training images, or "
        "because an ensemble has one score for all seeds."
    )
    if not tested:
        return text
    return (
        f"{text} Of the {tested} scores that were tested, chance alone would mark about {tested * SIGNIFICANCE:.1f} "
        "better or worse."
    )


def warnings(commit: str) -> list[str]:
    """What cannot be read, and why the report is stale."""
    stale = staleness.of_report()
    lines = [f"**{line}**" for line in changes.unreadable(commit)]
    if stale:
        lines.append(f"**The report is stale**: {'; '.join(stale)}. `dvc repro report` makes it anew.")
    return lines


def plot_table(revision: str, paths: Sequence[str]) -> str:
    """The plots that changed, side by side; copies of both are left beside the page."""
    rows = []
    for path in paths:
        before, after = changes.plot(revision, path), Path(path).read_bytes() if Path(path).exists() else None
        cells = [_copy(content, side, path) for content, side in ((before, "before"), (after, "after"))]
        rows.append([path.removeprefix("metrics/"), *cells])
    return table(["plot", "before", "after"], rows) if rows else "No plot changed."


def _copy(content: bytes | None, side: str, path: str) -> str:
    if content is None:
        return ""
    name = Path(side, path.replace("/", "-"))
    with atomic_write(FOLDER / name) as temporary:
        temporary.write_bytes(content)
    return f"![{side}]({name.as_posix()})"


def _difference(change: Change) -> str:
    if change.before is None or change.after is None or change.verdict == "not a number":
        return ""
    return _number(change.after.mean - change.before.mean, "+")


def _statistic(statistic: Statistic | None) -> str:
    if statistic is None:
        return ""
    if not statistic.finite:
        return "not a number"
    return _number(statistic.mean) + ("" if statistic.std is None else f" ± {_number(statistic.std)}")


def _number(number: float, sign: str = "-") -> str:
    return f"{number:{sign}.4f}" if abs(number) < LARGE else f"{number:{sign}.2e}"


def _p(p: object) -> str:
    return "not a number" if p is not None and math.isnan(changes.number(p)) else probability(cast("float | None", p))


def _value(value: object) -> str:
    return "" if value is None else f"`{value}`"


def main(revision: str, title: str = "") -> None:
    """Write review/review.md: the work tree against ``revision``, which the page calls ``title`` if one is given."""
    commit = changes.commit(revision)
    parameters, metrics, plots = changes.parameters(commit), changes.metrics(commit), changes.plots(commit)
    for side in ("before", "after"):
        shutil.rmtree(FOLDER / side, ignore_errors=True)
    counts = {verdict: sum(change.verdict == verdict for change in metrics) for verdict in ("better", "worse")}
    text = "\n\n".join(
        [
            f"# The work tree against {title or f'{revision} ({commit[:10]})'}",
            *warnings(commit),
            f"{counted(len(parameters or []), 'parameter')}, {counted(len(metrics), 'metric')} "
            f"({counts['better']} better, {counts['worse']} worse) and {counted(len(plots), 'plot')} changed.",
            "## Parameters",
            parameter_table(parameters),
            "## Metrics",
            chance(metrics),
            metric_table(metrics),
            "## Images, selected runs, ensembles",
            text_table(changes.texts(commit)),
            "## Declared comparisons",
            answer_table(changes.answers(commit)),
            "## Plots",
            plot_table(commit, plots),
        ]
    )
    write_text(FOLDER / "review.md", text + "\n")
    print(text)
    print(f"\nreview: {(FOLDER / 'review.md').absolute()} has this page with its plots")


if __name__ == "__main__":
    command.run(main)
