"""Selection by validation, comparisons, tables and plots, from metrics/, predictions and a few images; seconds."""

from pathlib import Path

from pipeline.console import command, committed
from pipeline.evaluation import calibration
from pipeline.files import dataset
from pipeline.files.artefacts import write_csv, write_json, write_text
from pipeline.params import reading
from pipeline.reporting import (
    comparisons,
    contents,
    document,
    figures,
    model_card,
    parts,
    published,
    results,
    selected,
    trials,
)
from pipeline.reporting.drawing import save
from pipeline.runtime import fingerprints


def main() -> None:
    """Read and check everything, then write the summary, the plots and the report: damage gives no half report."""
    fingerprints.check("report")
    params = reading.load("ablation", "baseline", "beyond", "reg", "scale", "train", "tune")
    measured, names = results.read(params), dataset.class_names()
    results.check_predictions(measured, len(names))
    searches, samples = trials.read_all(measured.runs), contents.samples(len(names), figures.IMAGES)
    run = measured.selected
    seed = measured.runs[run].best_seed
    mistakes = contents.mistakes(run, seed, figures.IMAGES)
    labels, probabilities = contents.class_probabilities(run, seed)
    reliability = calibration.bins(labels, probabilities)
    sections = published.sections(measured.candidates, measured.comparable)
    answers, worth = comparisons.answers(measured, sections), parts.answers(measured)
    page = document.report(measured, sections, answers, worth)
    card = model_card.card(params, measured, reliability)
    title = f"{run.title}, seed {seed}: test images"
    drawn = figures.of_runs(measured, sections, searches) | figures.of_samples(samples, names)
    drawn |= figures.of_model(title, names, labels, probabilities, mistakes, reliability)
    fingerprints.check("report")
    selected.write(measured)
    write_json(Path("metrics/comparisons.json"), parts.by_question(worth) | answers)
    # Sorted, because DVC counts the pairs itself, and git stores and compares a sorted list best.
    pairs = sorted((names[actual], names[guess]) for actual, guess in zip(labels, probabilities.argmax(1), strict=True))
    write_csv(Path("metrics/confusion_matrix.csv"), [{"actual": pair[0], "predicted": pair[1]} for pair in pairs])
    for name, figure in drawn.items():
        save(figure, Path(f"metrics/figures/{name}.png"))
    write_text(Path("metrics/report.md"), page)
    write_text(Path("metrics/model_card.md"), card)
    print(*document.not_run(measured), document.overview(measured, committed.changed(measured.runs)), sep="\n")


if __name__ == "__main__":
    command.run(main)
