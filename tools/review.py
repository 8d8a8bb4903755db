"""What a reviewer reads: parameters, metrics and plots of the work tree beside those of a revision. Not a stage.

python -m tools.review REV writes review/review.md and, beside it, the plots of both sides.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.console import command
from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import atomic_write, write_text
from pipeline.reporting.markdown import table
from tools import changes
from tools.changes import Change

FOLDER = Path("review")


def parameter_table(changed: Sequence[tuple[str, object, object]]) -> str:
    """The parameters that changed."""
    rows = [[f"`{name}`", _value(before), _value(after)] for name, before, after in changed]
    return table(["parameter", "before", "after"], rows) if rows else "No parameter changed."


def metric_table(changed: Sequence[Change]) -> str:
    """The scores that changed, worst first, each with what the change means."""
    order = ("worse", "better", "one seed: unknown", "removed", "new", "changed", "within the spread")
    rows = [
        [
            change.path.removeprefix("metrics/").removesuffix(".json"),
            change.name,
            _statistic(change.before),
            _statistic(change.after),
            f"{change.after.mean - change.before.mean:+.4f}" if change.before and change.after else "",
            change.verdict,
        ]
        for change in sorted(changed, key=lambda change: order.index(change.verdict))
    ]
    return (
        table(["metrics", "score", "before", "after", "difference", "verdict"], rows) if rows else "No metric changed."
    )


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


def _statistic(statistic: Statistic | None) -> str:
    return "" if statistic is None else str(statistic)


def _value(value: object) -> str:
    return "" if value is None else f"`{value}`"


def main(revision: str) -> None:
    """Write review/review.md: the work tree against ``revision``."""
    commit = changes.commit(revision)
    shutil.rmtree(FOLDER, ignore_errors=True)
    parameters, metrics, plots = changes.parameters(commit), changes.metrics(commit), changes.plots(commit)
    counts = {verdict: sum(change.verdict == verdict for change in metrics) for verdict in ("better", "worse")}
    text = "\n\n".join(
        [
            f"# The work tree against {revision} ({commit[:10]})",
            f"{len(parameters)} parameters, {len(metrics)} metrics ({counts['better']} better, {counts['worse']} "
            f"worse) and {len(plots)} plots changed.",
            "## Parameters",
            parameter_table(parameters),
            "## Metrics",
            "Better or worse: beyond what chance makes of the spread over seeds (Welch's t-test, 5 %).",
            metric_table(metrics),
            "## Plots",
            plot_table(commit, plots),
        ]
    )
    write_text(FOLDER / "review.md", text + "\n")
    print(text)
    print(f"\nreview: {FOLDER / 'review.md'} has this page with its plots")


if __name__ == "__main__":
    command.run(main)
