"""Selection by validation, comparisons, tables and plots, from metrics/ and predictions, never test images; seconds."""

from collections.abc import Sequence
from pathlib import Path

from sklearn.metrics import confusion_matrix

from pipeline.console import command
from pipeline.evaluation import calibration
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.files import dataset
from pipeline.files.artefacts import write_csv, write_json, write_text
from pipeline.files.runs import Run
from pipeline.params import reading
from pipeline.reporting import (
    class_labels,
    comparisons,
    contents,
    cost,
    curves_plot,
    document,
    model_card,
    parts,
    plots,
    published,
    replication_plot,
    results,
    search_plot,
    selected,
    trials,
)
from pipeline.reporting.drawing import save
from pipeline.reporting.results import Results
from pipeline.runtime import fingerprints

FIGURES = Path("metrics/figures")
GRID = 3, 5


def draw_selected(measured: Results, run: Run, names: Sequence[str], reliability: list[calibration.Bin]) -> None:
    """Confusion matrix (as plot and as pairs, for DVC), worst mistakes and reliability of the selected model."""
    seed = measured.runs[run].best_seed
    labels, probabilities = results.predictions(run, seed)
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    title = f"{run.title}, seed {seed}: test images"
    drawn, note = class_labels.in_figures(names), class_labels.note(names)
    save(plots.confusion_matrix(counts, drawn, title + note), FIGURES / "confusion_matrix.png")
    # Sorted, because DVC counts the pairs itself, and git stores and compares a sorted list best.
    pairs = sorted((names[actual], names[guess]) for actual, guess in zip(labels, predicted, strict=True))
    write_csv(Path("metrics/confusion_matrix.csv"), [{"actual": pair[0], "predicted": pair[1]} for pair in pairs])
    rows = confident_mistakes(labels, probabilities, GRID[0] * GRID[1])
    captions = [
        f"label: {drawn[labels[row]]}\nanswer: {drawn[predicted[row]]}\nprobability {probabilities[row].max():.2f}"
        for row in rows
    ]
    images = contents.mistakes(run, seed, len(rows))
    save(plots.image_grid(images, captions, *GRID, title + note), FIGURES / "mistakes.png")
    save(plots.reliability(reliability, title), FIGURES / "reliability.png")


def draw_samples(train: dataset.Split, names: Sequence[str]) -> None:
    """Training images."""
    drawn, title = class_labels.in_figures(names), "Training images" + class_labels.note(names)
    titles = [drawn[label] for label in train.labels]
    save(plots.image_grid(train.images, titles, *GRID, title), FIGURES / "samples.png")


def draw_curves(measured: Results, sections: Sequence[published.StudySection]) -> None:
    """Learning curves of each section's runs, with all seeds."""
    for section in sections:
        if not section.repeats:
            curves = {run.name: measured.runs[run].curves for run in section.runs}
            save(curves_plot.figure(curves, section.title), FIGURES / f"learning_curves_{section.id}.png")


def main() -> None:
    """Write the summary, the plots and the report, after all is read: what is damaged leaves the last report whole."""
    fingerprints.check("report")
    params = reading.load("ablation", "baseline", "beyond", "reg", "scale", "train", "tune")
    measured, names = results.read(params), dataset.class_names()
    results.check_predictions(measured, len(names))
    searches, samples = trials.read_all(measured.runs), contents.samples(len(names), GRID[0] * GRID[1])
    run = measured.selected
    contents.mistakes(run, measured.runs[run].best_seed, GRID[0] * GRID[1])
    reliability = calibration.bins(*results.predictions(run, measured.runs[run].best_seed))
    sections = published.sections(measured.candidates, measured.comparable)
    answers, worth = comparisons.answers(measured, sections), parts.answers(measured)
    page = document.report(measured, sections, answers, worth)
    marks, rows = cost.marks(measured, sections), replication_plot.rows(measured, sections)
    card = model_card.card(params, measured, reliability)
    fingerprints.check("report")
    selected.write(measured)
    write_json(Path("metrics/comparisons.json"), parts.by_question(worth) | answers)
    draw_selected(measured, run, names, reliability)
    draw_samples(samples, names)
    draw_curves(measured, sections)
    for run, search in searches.items():
        save(search_plot.figure(search, run.title), FIGURES / f"search_{run.name}.png")
    save(replication_plot.figure(rows), FIGURES / "accuracy.png")
    save(cost.figure(marks), FIGURES / "cost.png")
    write_text(Path("metrics/report.md"), page)
    write_text(Path("metrics/model_card.md"), card)
    print(document.overview(measured))


if __name__ == "__main__":
    command.run(main)
