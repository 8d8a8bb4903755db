"""Figures of single images and of what a model says of them: grids, confusion matrix and reliability."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from pipeline.evaluation.calibration import BINS, Bin
from pipeline.reporting.drawing import BLACK, BLUE, WIDTH

# At most so many classes have room for the names of all, and for a number in each cell.
_NAMED, _COUNTED = 32, 16


def image_grid(images: npt.NDArray[np.uint8], titles: Sequence[str], rows: int, columns: int, title: str) -> Figure:
    """Draw ``images``, uint8 (at most rows * columns, 32, 32, 3), each under its entry of ``titles``."""
    figure = Figure(figsize=(WIDTH, 0.6 + 2.0 * rows), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, text in zip(grid.flat[: len(titles)], images, titles, strict=True):
        axes.imshow(image)
        axes.set_title(text, fontsize=9)
    return figure


def confusion_matrix(counts: npt.NDArray[np.integer], names: Sequence[str], title: str) -> Figure:
    """Draw ``counts``, integer (classes, classes), the label by row and the answer by column.

    Where there are many classes, a colour bar stands for the counts, and some of the classes are named.
    """
    figure = Figure(figsize=(WIDTH, 7), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="answer (predicted)", ylabel="label (actual)", title=title)
    named = range(0, len(names), -(-len(names) // _NAMED))
    axes.set_xticks(named, [names[number] for number in named], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(named, [names[number] for number in named])
    if len(names) > _COUNTED:
        figure.colorbar(image, label="images")
    for row, column in np.ndindex(*counts.shape) if len(names) <= _COUNTED else ():
        dark = counts[row, column] > counts.max() / 2
        style: dict[str, Any] = {"color": "white" if dark else "black", "fontsize": 9 if len(names) <= 10 else 7}
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", **style)
    return figure


def reliability(bins: Sequence[Bin], title: str) -> Figure:
    """Draw accuracy over confidence, a point a bin, above how many images each bin holds."""
    figure = Figure(figsize=(WIDTH, 6), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    confidence = [entry.confidence for entry in bins]
    above.plot([0, 1], [0, 1], "--", color=BLACK, linewidth=1, label="perfectly calibrated")
    above.plot(confidence, [entry.accuracy for entry in bins], "o-", color=BLUE, label="measured")
    above.set(ylabel="accuracy: share of the bin's images named correctly", ylim=(0, 1))
    above.grid()
    above.legend()
    # At the middle of its bin, so that no two bars touch.
    middles = [(min(int(entry.confidence * BINS), BINS - 1) + 0.5) / BINS for entry in bins]
    bars = below.bar(middles, [entry.count for entry in bins], width=0.9 / BINS, color=BLUE)
    below.bar_label(bars, [f"{entry.count:,}" for entry in bins], fontsize=8)
    below.margins(y=0.2)
    below.set(xlabel="confidence: the highest probability that the model gave", ylabel="images", xlim=(0, 1))
    return figure
