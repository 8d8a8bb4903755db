"""What a reviewer reads: parameters, metrics and figures of the work tree beside those of a revision. Not a stage.

python -m pipeline.review REV writes review/review.md and, beside it, the figures of both sides.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import changes, command
from pipeline.common.artefacts import replacing, write_text
from pipeline.common.changes import Change, Measure
from pipeline.common.document import table
from pipeline.common.results import figure

FOLDER = Path("review")


def parameter_table(changed: Sequence[tuple[str, object, object]]) -> str:
    """The parameters that changed."""
    rows = [[f"`{name}`", _value(before), _value(after)] for name, before, after in changed]
    return table(["parameter", "before", "after"], rows) if rows else "No parameter changed."


def metric_table(changed: Sequence[Change]) -> str:
    """The figures that changed, worst first, each with what the change means."""
    order = ("worse", "better", "one seed: unknown", "removed", "new", "changed", "within the spread")
    rows = [
        [
            change.path.removeprefix("metrics/").removesuffix(".json"),
            change.name,
            _figure(change.before),
            _figure(change.after),
            f"{change.after.mean - change.before.mean:+.4f}" if change.before and change.after else "",
            change.verdict,
        ]
        for change in sorted(changed, key=lambda change: order.index(change.verdict))
    ]
    return (
        table(["metrics", "figure", "before", "after", "difference", "verdict"], rows) if rows else "No metric changed."
    )


def figure_table(revision: str, paths: Sequence[str]) -> str:
    """The figures that changed, side by side; copies of both are left beside the page."""
    rows = []
    for path in paths:
        before, after = changes.figure(revision, path), Path(path).read_bytes() if Path(path).exists() else None
        cells = [_copy(content, side, path) for content, side in ((before, "before"), (after, "after"))]
        rows.append([path.removeprefix("metrics/"), *cells])
    return table(["figure", "before", "after"], rows) if rows else "No figure changed."


def _copy(content: bytes | None, side: str, path: str) -> str:
    if content is None:
        return ""
    name = Path(side, path.replace("/", "-"))
    with replacing(FOLDER / name) as temporary:
        temporary.write_bytes(content)
    return f"![{side}]({name.as_posix()})"


def _figure(measure: Measure | None) -> str:
    if measure is None:
        return ""
    return figure({"mean": measure.mean} | ({} if measure.std is None else {"std": measure.std}))


def _value(value: object) -> str:
    return "" if value is None else f"`{value}`"


def main(revision: str) -> None:
    """Write review/review.md: the work tree against ``revision``."""
    commit = changes.commit(revision)
    shutil.rmtree(FOLDER, ignore_errors=True)
    parameters, metrics, figures = changes.parameters(commit), changes.metrics(commit), changes.figures(commit)
    counts = {verdict: sum(change.verdict == verdict for change in metrics) for verdict in ("better", "worse")}
    text = "\n\n".join(
        [
            f"# The work tree against {revision} ({commit[:10]})",
            f"{len(parameters)} parameters, {len(metrics)} metrics ({counts['better']} better, {counts['worse']} "
            f"worse) and {len(figures)} figures changed.",
            "## Parameters",
            parameter_table(parameters),
            "## Metrics",
            "Better or worse: beyond what chance makes of the spread over seeds (Welch's t-test, 5 %).",
            metric_table(metrics),
            "## Figures",
            figure_table(commit, figures),
        ]
    )
    write_text(FOLDER / "review.md", text + "\n")
    print(text)
    print(f"\nreview: {FOLDER / 'review.md'} has this page with its figures")


if __name__ == "__main__":
    command.run(main)
