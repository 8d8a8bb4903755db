"""All figures of metrics/figures, by the names of their files."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from pipeline.evaluation.calibration import Bin
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.files.dataset import Split
from pipeline.files.runs import Run
from pipeline.reporting import class_labels, cost, curves_plot, plots, replication_plot, search_plot
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results
from pipeline.reporting.trials import Search

# Rows and columns of images.
GRID = 3, 5
IMAGES = GRID[0] * GRID[1]


def of_runs(measured: Results, sections: Sequence[StudySection], searches: Mapping[Run, Search]) -> dict[str, Figure]:
    """Accuracy of all runs, what it costs, learning curves of each section with all seeds, and the searches."""
    found = {
        "accuracy": replication_plot.figure(replication_plot.rows(measured, sections)),
        "cost": cost.figure(cost.marks(measured, sections)),
    }
    for section in (section for section in sections if not section.repeats):
        curves = {run.name: measured.runs[run].curves for run in section.runs}
        found[f"learning_curves_{section.id}"] = curves_plot.figure(curves, section.title)
    return found | {f"search_{run.name}": search_plot.figure(search, run.title) for run, search in searches.items()}


def of_samples(train: Split, names: Sequence[str]) -> dict[str, Figure]:
    """Training images."""
    drawn, title = class_labels.in_figures(names), "Training images" + class_labels.note(names)
    return {"samples": plots.image_grid(train.images, [drawn[label] for label in train.labels], *GRID, title)}


def of_model(
    title: str,
    names: Sequence[str],
    labels: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32],
    mistakes: npt.NDArray[np.uint8],
    reliability: Sequence[Bin],
) -> dict[str, Figure]:
    """Confusion matrix, worst mistakes and reliability of one model on the test images.

    ``labels`` (n,), ``probabilities`` (n, classes); ``mistakes`` are the images of the at most :data:`IMAGES` most
    confident ones, uint8 (m, 32, 32, 3).
    """
    predicted, drawn, note = probabilities.argmax(axis=1), class_labels.in_figures(names), class_labels.note(names)
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    captions = [
        f"label: {drawn[labels[row]]}\nanswer: {drawn[predicted[row]]}\nprobability {probabilities[row].max():.2f}"
        for row in confident_mistakes(labels, probabilities, IMAGES)
    ]
    return {
        "confusion_matrix": plots.confusion_matrix(counts, drawn, title + note),
        "mistakes": plots.image_grid(mistakes, captions, *GRID, title + note),
        "reliability": plots.reliability(reliability, title),
    }
