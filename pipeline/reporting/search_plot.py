"""The plot of a search: what the trials reached along each axis, and the winner, the axis that decided most first."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from pipeline.files.names import counted
from pipeline.reporting.drawing import BLACK, ORANGE, SERIES, WIDTH
from pipeline.reporting.trials import Search, weight

# Axes whose values lie orders of magnitude apart, or double.
_LOGARITHMIC = ("l2", "learning_rate", "units")
_COLUMNS = 4
# An axis with as many values or fewer has a tick at each.
_TICKS = 5

_TITLE = "a point a trial\n%: how much of the trials' order within a rung the hyperparameter explains"


def figure(search: Search, title: str) -> Figure:
    """Draw a panel for each hyperparameter that has more than one value: val_accuracy over it, a point a trial."""
    columns = min(_COLUMNS, max(1, len(search.axes)))
    rows = max(1, -(-len(search.axes) // columns))
    drawn = Figure(figsize=(WIDTH, 1.1 + 1.75 * rows), layout="constrained")
    drawn.suptitle(f"{title}: {_TITLE}")
    panels = list(drawn.subplots(rows, columns, sharey=True, squeeze=False).flat)
    rungs = sorted({trial.max_epoch for trial in search.trials})
    for axes, name in zip(panels, search.axes, strict=False):
        for (colour, marker), rung in zip(SERIES * len(rungs), rungs, strict=False):
            here = [t for t in search.trials if t.max_epoch == rung and name in t.hyperparameters]
            points = [t.hyperparameters[name] for t in here], [t.val_accuracy for t in here]
            style = {"color": colour, "marker": marker, "markersize": 4, "alpha": 0.7, "linestyle": "none"}
            axes.plot(*points, label=counted(rung, "epoch"), **style)
        if name in search.winner.hyperparameters:
            place = search.winner.hyperparameters[name], search.winner.val_accuracy
            style = {"markersize": 13, "color": ORANGE, "markeredgecolor": BLACK, "linestyle": "none"}
            axes.plot(*place, "*", label="winner", **style)
        values = sorted({t.hyperparameters[name] for t in search.trials if name in t.hyperparameters})
        if name.startswith(_LOGARITHMIC) and values[0] > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=4))
        if len(values) <= _TICKS:
            axes.set_xticks(values)
            axes.margins(x=0.15)
        # Matplotlib's own writes formulas.
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        share = weight(search.trials, name)
        axes.set_title(name if share is None else f"{name}: {share:.0%}")
        axes.grid()
    for axes in panels[len(search.axes) :]:
        axes.axis("off")
    drawn.supylabel("val_accuracy", fontsize=9)
    by_label = {h.get_label(): h for axes in panels for h in axes.get_lines()}
    drawn.legend(by_label.values(), by_label, loc="outside lower center", ncols=len(by_label), frameon=False)
    return drawn
