"""Selection by validation, comparisons, tables and figures. Reads JSON, logs and predictions, never the test images."""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from pipeline.common import calibration, command, data, document, figures, model_card, params, results, study
from pipeline.common.artefacts import replacing, write_json, write_text
from pipeline.common.comparisons import Comparison, compare
from pipeline.common.mistakes import confident_mistakes
from pipeline.common.results import Results, read_json

FIGURES = Path("metrics/figures")
GRID = 3, 5


def write_summary(measured: Results, comparisons: Mapping[str, Comparison]) -> None:
    """metrics/summary.json: the selected run, its model (the seed with the best validation accuracy) and figures."""
    run = measured.selected
    test = measured.tested[run]
    selected = {
        "run": str(run),
        "model": str(run.model(measured.best_seed(run))),
        "val_accuracy": measured.trained[run]["val"]["accuracy"],
        "test_accuracy": test["accuracy"],
        "test_f1": test["f1"],
    }
    write_json(Path("metrics/summary.json"), {"selected": selected})
    compared = {question: asdict(comparison) for question, comparison in comparisons.items()}
    write_json(Path("metrics/comparisons.json"), compared)


def write_selected(measured: Results, names: Sequence[str]) -> list[calibration.Bin]:
    """The selected model, its confusion matrix (as figure and as pairs, for DVC), worst mistakes, reliability."""
    run = measured.selected
    seed = measured.best_seed(run)
    labels, probabilities = results.predictions(run, seed)
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    title = f"{run.title}, seed {seed}: test images"
    figures.confusion_matrix(FIGURES / "confusion_matrix.png", counts, names, title)
    # Sorted, because DVC counts the pairs itself, and git stores and compares a sorted list best.
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["actual", "predicted"])
    writer.writerows(sorted((names[actual], names[guess]) for actual, guess in zip(labels, predicted, strict=True)))
    write_text(Path("metrics/confusion_matrix.csv"), text.getvalue())

    rows = confident_mistakes(labels, probabilities, GRID[0] * GRID[1])
    captions = [f"{names[labels[row]]}, not\n{names[predicted[row]]} ({probabilities[row].max():.2f})" for row in rows]
    figures.image_grid(FIGURES / "mistakes.png", np.load(run.mistakes(seed)), captions, *GRID, title)
    reliability = calibration.bins(labels, probabilities)
    figures.reliability(FIGURES / "reliability.png", reliability, title)
    with replacing(Path(model_card.MODEL)) as temporary:
        shutil.copyfile(run.model(seed), temporary)
    return reliability


def write_learning_curves(measured: Results, sections: Sequence[study.Section]) -> None:
    """A figure per section, each run with its best seed. Study B's runs are study A's."""
    for section in sections:
        if section.id != "study_b":
            curves = {run.name: results.learning_curves(run, measured.best_seed(run)) for run in section.runs}
            figures.learning_curves(FIGURES / f"learning_curves_{section.id}.png", curves, section.title)


def main() -> None:
    """Write the summary, the figures and the report."""
    settings = params.load()
    measured = results.read(settings)
    sections = study.sections(measured.trained)
    comparisons = {
        question: compare(results.correct(first, measured.seeds), results.correct(second, measured.seeds))
        for question, (first, second) in study.questions(measured.trained).items()
    }
    write_summary(measured, comparisons)
    reliability = write_selected(measured, data.class_names())
    write_learning_curves(measured, sections)
    dataset, split = (read_json(Path(f"metrics/{name}.json")) for name in ("dataset", "split"))
    by_class = read_json(Path(f"metrics/evaluate/{measured.selected.group}/per_class.json"))[measured.selected.name]
    text = document.report(measured, sections, comparisons, dataset, split, by_class)
    write_text(Path("metrics/report.md"), text)
    card = model_card.card(settings, measured, dataset, split, by_class, reliability)
    write_text(Path("metrics/model_card.md"), card)
    print(document.overview(measured))


if __name__ == "__main__":
    command.run(main)
