"""Plots as PNG files, drawn without a display and byte-stable."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.evaluation.calibration import BINS, Bin
from pipeline.files.artefacts import atomic_write
from pipeline.reporting.class_labels import FONT_FAMILY

# A $ in a name begins no formula.
matplotlib.rcParams.update({"font.family": FONT_FAMILY, "text.parse_math": False, "text.usetex": False})


def image_grid(
    path: Path, images: npt.NDArray[np.uint8], titles: Sequence[str], rows: int, columns: int, title: str
) -> None:
    """Draw ``images``, uint8 (at most rows * columns, 32, 32, 3), each under its entry of ``titles``."""
    figure = Figure(figsize=(1.6 * columns, 1.9 * rows), layout="constrained")
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


def learning_curves(path: Path, curves: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> None:
    """Draw loss and accuracy by epoch side by side, train dashed and validation solid, a colour per run.

    ``curves`` maps the name of a run to the columns "train_loss", "val_loss", "train_accuracy" and "val_accuracy", one
    value per epoch.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(title)
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for index, (run, columns) in enumerate(curves.items()):
            for split, style in (("train", "--"), ("val", "-")):
                values = columns[f"{split}_{measure}"]
                label = f"{run}, {split}"
                axes.plot(range(1, len(values) + 1), values, style, color=f"C{index % 10}", label=label)
        axes.set(xlabel="epoch", ylabel=measure)
        axes.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    save(figure, path)


def reliability(path: Path, bins: Sequence[Bin], title: str) -> None:
    """Draw accuracy over confidence, a point a bin, above how many images each bin holds."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    confidence = [entry.confidence for entry in bins]
    above.plot([0, 1], [0, 1], "--", color="grey", label="perfectly calibrated")
    above.plot(confidence, [entry.accuracy for entry in bins], "o-", label="measured")
    above.set(ylabel="accuracy", ylim=(0, 1))
    above.grid(alpha=0.3)
    above.legend()
    below.bar(confidence, [entry.count for entry in bins], width=0.8 / BINS)
    below.set(xlabel="confidence", ylabel="images", xlim=(0, 1))
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write ``figure`` as a PNG file whose bytes follow from what it shows."""
    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        # Software: matplotlib would write its version, which the plot does not show.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
