"""Figures of single images and of what a model says of them: grids, confusion matrix and reliability."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from pipeline.evaluation.calibration import BINS, Bin
from pipeline.reporting.drawing import BLACK, BLUE, WIDTH, save


def image_grid(
    path: Path, images: npt.NDArray[np.uint8], titles: Sequence[str], rows: int, columns: int, title: str
) -> None:
    """Draw ``images``, uint8 (at most rows * columns, 32, 32, 3), each under its entry of ``titles``."""
    figure = Figure(figsize=(WIDTH, 0.6 + 2.0 * rows), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, text in zip(grid.flat[: len(titles)], images, titles, strict=True):
        axes.imshow(image)
        axes.set_title(text, fontsize=9)
    save(figure, path)


def confusion_matrix(path: Path, counts: npt.NDArray[np.integer], names: Sequence[str], title: str) -> None:
    """Draw ``counts``, integer (classes, classes), actual by row and predicted by column."""
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="actual", title=title)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(*counts.shape):
        dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black")
    save(figure, path)


def reliability(path: Path, bins: Sequence[Bin], title: str) -> None:
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
    save(figure, path)
