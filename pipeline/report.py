"""Selection by validation, comparisons, tables and plots. Reads JSON, logs and predictions, never the test images."""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from pipeline.console import command
from pipeline.evaluation import calibration
from pipeline.evaluation.intervals import Comparison, compare
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.files import dataset
from pipeline.files.artefacts import atomic_write, write_json, write_text
from pipeline.params import reading
from pipeline.reporting import document, model_card, plots, published, results
from pipeline.reporting.results import Results

FIGURES = Path("metrics/figures")
GRID = 3, 5


def write_summary(measured: Results, comparisons: Mapping[str, Comparison]) -> None:
    """metrics/summary.json: the selected run, its model (the seed with the best validation accuracy) and scores."""
    run = measured.selected
    result = measured.runs[run]
    selected = {
        "run": str(run),
        "model": str(run.model(measured.best_seed(run))),
        "val_accuracy": result.val["accuracy"],
        "test_accuracy": result.test["accuracy"],
        "test_f1": result.test["f1"],
    }
    write_json(Path("metrics/summary.json"), {"selected": selected})
    compared = {question: asdict(comparison) for question, comparison in comparisons.items()}
    write_json(Path("metrics/comparisons.json"), compared)


def write_selected(measured: Results, names: Sequence[str]) -> list[calibration.Bin]:
    """The selected model, its confusion matrix (as plot and as pairs, for DVC), worst mistakes, reliability."""
    run = measured.selected
    seed = measured.best_seed(run)
    labels, probabilities = results.predictions(run, seed)
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    title = f"{run.title}, seed {seed}: test images"
    plots.confusion_matrix(FIGURES / "confusion_matrix.png", counts, names, title)
    # Sorted, because DVC counts the pairs itself, and git stores and compares a sorted list best.
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["actual", "predicted"])
    writer.writerows(sorted((names[actual], names[guess]) for actual, guess in zip(labels, predicted, strict=True)))
    write_text(Path("metrics/confusion_matrix.csv"), text.getvalue())

    rows = confident_mistakes(labels, probabilities, GRID[0] * GRID[1])
    captions = [f"{names[labels[row]]}, not\n{names[predicted[row]]} ({probabilities[row].max():.2f})" for row in rows]
    plots.image_grid(FIGURES / "mistakes.png", np.load(run.mistakes(seed)), captions, *GRID, title)
    reliability = calibration.bins(labels, probabilities)
    plots.reliability(FIGURES / "reliability.png", reliability, title)
    with atomic_write(Path(model_card.MODEL)) as temporary:
        shutil.copyfile(run.model(seed), temporary)
    return reliability


def main() -> None:
    """Write the summary, the plots and the report."""
    params = reading.load("ablation", "baseline", "reg", "scale", "train", "tune")
    measured = results.read(params)
    sections = published.sections(measured.runs)
    comparisons = {
        question: compare(results.correct(first, measured.seeds), results.correct(second, measured.seeds))
        for question, (first, second) in published.questions(measured.runs).items()
    }
    write_summary(measured, comparisons)
    reliability = write_selected(measured, dataset.class_names())
    for section in sections:
        # Study B's runs are study A's.
        if section.id != "study_b":
            curves = {run.name: results.learning_curves(run, measured.best_seed(run)) for run in section.runs}
            plots.learning_curves(FIGURES / f"learning_curves_{section.id}.png", curves, section.title)
    write_text(Path("metrics/report.md"), document.report(measured, sections, comparisons))
    write_text(Path("metrics/model_card.md"), model_card.card(params, measured, reliability))
    print(document.overview(measured))


if __name__ == "__main__":
    command.run(main)
