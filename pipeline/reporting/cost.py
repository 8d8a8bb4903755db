"""Test accuracy against what one training costs: all runs here, what the study reports, and what others published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from pipeline.files.runs import Run
from pipeline.reporting import published
from pipeline.reporting.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, WIDTH
from pipeline.reporting.markdown import magnitude, table
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results

WITHOUT_A_PART, REPORTED, PUBLISHED = "beyond, without a part", "reported by the study", "published by others"

# What was not measured here is hollow or a star.
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "baseline": {"marker": "o", "color": BLACK},
    "scale": {"marker": "s", "color": ORANGE},
    "regularise": {"marker": "D", "color": PURPLE},
    "ablation": {"marker": "^", "color": SKY},
    "tune": {"marker": "v", "color": GREEN},
    "beyond": {"marker": "P", "color": BLUE},
    WITHOUT_A_PART: {"marker": "x", "color": BLUE},
    REPORTED: {"marker": "o", "color": BLACK, "markerfacecolor": "none", "markersize": 11},
    PUBLISHED: {"marker": "*", "color": VERMILION, "markersize": 11},
}
_NAMED = ("beyond", PUBLISHED)
# Where a name may stand beside its mark, in points to the right and up, and which of its ends lies there.
_PLACES = (
    *((8, 0, "left"), (-8, 0, "right"), (0, 11, "center"), (0, -11, "center")),
    *((6, 11, "left"), (-6, 11, "right"), (6, -11, "left"), (-6, -11, "right")),
    *((6, 22, "left"), (-6, 22, "right"), (6, -22, "left"), (-6, -22, "right")),
)

_METHOD = """Multiply-adds of training one seed, forward and backward, in layers with a kernel; no search, no
validation. A bar is a standard deviation over seeds."""

_OTHERS = """The study's accuracies are marked where its runs had no early stopping: it does not report how many epochs
the others took. Published results are on the official pixels and all 50,000 training images, the
convolutional ones with several looks at a test image averaged; two of their operations are one multiply-add."""


@dataclass(frozen=True)
class Mark:
    """A point of the plot: the multiply-adds of one training, and the test accuracy with its spread, if it has one."""

    kind: str
    name: str
    multiply_adds: float
    accuracy: float
    std: float | None = None


def measured(results: Results) -> list[Mark]:
    """A mark for every run that is there."""
    marks = []
    for run, result in results.runs.items():
        kind = WITHOUT_A_PART if run in results.compared else run.group
        accuracy = result.test["accuracy"]
        marks.append(Mark(kind, run.name, result.multiply_adds.mean, accuracy.mean, accuracy.std))
    return marks


def reported(results: Results, sections: Sequence[StudySection]) -> list[Mark]:
    """A mark for each reported accuracy of a run whose number of training images the study reports.

    The cost of an image is that of the run here, whose network is the same.
    """
    images: int = sum(results.split["counts"]["train"].values())

    def cost(run: Run) -> float:
        return results.runs[run].multiply_adds.mean / (results.runs[run].epochs.mean * images)

    return [
        Mark(REPORTED, run.name, cost(run) * section.images_trained, scores["accuracy"])
        for section in sections
        if section.images_trained is not None
        for run, scores in section.runs.items()
        if "accuracy" in scores
    ]


def elsewhere() -> list[Mark]:
    """A mark for each result that others published."""
    return [Mark(PUBLISHED, entry.name, entry.multiply_adds, entry.accuracy) for entry in published.elsewhere()]


def marks(results: Results, sections: Sequence[StudySection]) -> list[Mark]:
    """All marks; those of the study and of others only where the images are theirs."""
    others = [*reported(results, sections), *elsewhere()] if results.comparable else []
    return [*measured(results), *others]


def figure(marks: Sequence[Mark]) -> Figure:
    """Draw ``marks``, accuracy over cost on a logarithmic axis; bars are standard deviations over seeds."""
    drawn = Figure(figsize=(WIDTH, 6), layout="constrained")
    axes = drawn.subplots()
    for kind, style in _STYLES.items():
        own = [mark for mark in marks if mark.kind == kind]
        if own:
            costs, accuracies = [mark.multiply_adds for mark in own], [mark.accuracy for mark in own]
            axes.errorbar(costs, accuracies, [mark.std or 0 for mark in own], linestyle="none", label=kind, **style)
    axes.set_xscale("log")
    # Matplotlib's own writes formulas.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
    axes.margins(x=0.12, y=0.12)
    axes.set(xlabel="multiply-adds of one training, forward and backward", ylabel="test accuracy")
    axes.grid()
    drawn.legend(loc="outside lower center", ncols=3, frameon=False)
    # Only now it is known where a mark lies on the page.
    drawn.draw_without_rendering()
    named = [mark for mark in marks if mark.kind in _NAMED]
    if named:
        _name(axes, named)
    return drawn


def _name(axes: Any, marks: Sequence[Mark]) -> None:
    """Write its name beside each of ``marks``, at the first of :data:`_PLACES` where no other name or mark stands."""
    points = [(mark.multiply_adds, mark.accuracy) for mark in marks]
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in axes.transData.transform(points)]
    for mark, point in zip(marks, points, strict=True):
        for right, up, end in _PLACES:
            offset = {"xytext": (right, up), "textcoords": "offset points", "fontsize": 9}
            label = axes.annotate(mark.name, point, ha=end, va="center", **offset)
            box = label.get_window_extent()
            if axes.bbox.containsx(box.x1) and not any(box.overlaps(other) for other in taken):
                break
            if (right, up, end) != _PLACES[-1]:
                label.remove()
        taken.append(box)


def texts(results: Results) -> list[str]:
    """The report's paragraphs around the plot."""
    paragraphs = [_METHOD, "![Test accuracy against training cost](figures/cost.png)"]
    if not results.comparable:
        return paragraphs
    rows = [
        [entry.name, magnitude(entry.multiply_adds), f"{entry.accuracy:.4f}", str(entry.n or "")]
        for entry in published.elsewhere()
    ]
    sources = dict.fromkeys(entry.source for entry in published.elsewhere())
    return [
        *paragraphs,
        _OTHERS,
        table(["published", "multiply-adds", "test accuracy", "n"], rows),
        f"Source: {'; '.join(sources)}.",
    ]
