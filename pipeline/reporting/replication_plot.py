"""Reported against measured, in one figure: every run a row, with its seeds, their mean and what the study reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import blended_transform_factory

from pipeline.evaluation.intervals import prediction_interval
from pipeline.evaluation.statistics import Statistic
from pipeline.files.runs import Run
from pipeline.reporting.drawing import BLACK, BLUE, ORANGE, VERMILION, WIDTH
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results

SEEDS, MEAN, INTERVAL, REPORTED = "a seed", "mean", "where one more seed would lie (95 %)", "reported by the study"
_WITHOUT_A_PART = "Without a part"
_LINE = 0.21


@dataclass(frozen=True)
class Row:
    """A run: the test accuracy of each seed and over them, and what the study reports of it, each time it does."""

    name: str
    seeds: Sequence[float]
    accuracy: Statistic
    reported: Sequence[float]

    @property
    def differences(self) -> "Row":
        """The same less the mean of what is reported."""
        centre = mean(self.reported)
        over_seeds = Statistic(self.accuracy.mean - centre, self.accuracy.n, self.accuracy.std)
        seeds, reported = ([value - centre for value in values] for values in (self.seeds, self.reported))
        return Row(self.name, seeds, over_seeds, reported)


def rows(results: Results, sections: Sequence[StudySection]) -> dict[str, list[Row]]:
    """All runs that are there, each once, by the title of the first section that has it."""
    reported: dict[Run, list[float]] = {}
    for section in sections:
        for run, scores in section.runs.items():
            if "accuracy" in scores:
                reported.setdefault(run, []).append(scores["accuracy"])
    of_section = [(section.title, list(section.runs)) for section in sections]
    of_section.append((_WITHOUT_A_PART, [run for run in results.runs if run in results.compared]))
    found: dict[str, list[Row]] = {}
    seen: set[Run] = set()
    for title, runs in of_section:
        for run in (run for run in runs if run not in seen):
            seen.add(run)
            result = results.runs[run]
            row = Row(run.name, list(result.test_accuracies.values()), result.test["accuracy"], reported.get(run, []))
            found.setdefault(title, []).append(row)
    return found


def figure(rows: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw the test accuracy of ``rows`` and, where the study reports some, beside it how far each is from it."""
    lines: list[str | Row] = []
    for title, of_title in rows.items():
        lines += [title, *of_title]
    compared = any(row.reported for of_title in rows.values() for row in of_title)
    drawn = Figure(figsize=(WIDTH, 1.2 + _LINE * len(lines)), layout="constrained")
    panels = drawn.subplots(1, 2 if compared else 1, sharey=True, squeeze=False, width_ratios=(2, 3)[: 1 + compared])[0]
    _panel(panels[0], [(y, line) for y, line in enumerate(lines) if isinstance(line, Row)])
    panels[0].set(xlabel="test accuracy", xlim=(0, 1))
    if compared:
        near = [(y, line.differences) for y, line in enumerate(lines) if isinstance(line, Row) and line.reported]
        # As far as a seed or a reported figure lies; the interval of a few seeds may reach several times as far.
        reach = 1.1 * max(abs(value) for _, row in near for value in (*row.seeds, *row.reported)) or 0.01
        _panel(panels[1], near)
        panels[1].axvline(0, color=VERMILION, linewidth=0.8, zorder=0)
        panels[1].set(xlabel="test accuracy less reported", xlim=(-reach, reach))
        panels[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}" if value else "0"))
    panels[0].set_yticks(range(len(lines)), ["" if isinstance(line, str) else line.name for line in lines])
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    for y, line in enumerate(lines):
        if isinstance(line, str):
            # From the edge of the page into the panels, which are empty at this line.
            place = blended_transform_factory(drawn.transFigure, panels[0].transData)
            drawn.text(0.01, y, line, transform=place, va="center", fontweight="bold", in_layout=False)
    by_label: dict[str, Any] = {}
    for panel in panels:
        by_label |= {label: handle for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    drawn.legend(by_label.values(), by_label, loc="outside upper center", ncols=4, frameon=False)
    return drawn


def _panel(axes: Any, rows: Sequence[tuple[float, Row]]) -> None:
    """Draw each of ``rows`` at its height, a series for each kind of mark."""
    bounds = [(y, interval) for y, row in rows if (interval := prediction_interval(row.accuracy)) is not None]
    if bounds:
        low, high = [interval[0] for _, interval in bounds], [interval[1] for _, interval in bounds]
        axes.hlines([y for y, _ in bounds], low, high, color=ORANGE, linewidth=5, alpha=0.6, label=INTERVAL, zorder=1)
    hollow = {"markerfacecolor": "none", "linestyle": "none"}
    for label, style, points in (
        (SEEDS, {"marker": "o", "ms": 5, "color": BLUE}, [(value, y) for y, row in rows for value in row.seeds]),
        (MEAN, {"marker": "|", "ms": 10, "mew": 2, "color": BLACK}, [(row.accuracy.mean, y) for y, row in rows]),
        (
            REPORTED,
            {"marker": "D", "ms": 7, "mew": 1.5, "color": VERMILION},
            [(v, y) for y, r in rows for v in r.reported],
        ),
    ):
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **style, **hollow)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "right", "top"]].set_visible(False)
