"""Selection by validation, tables and figures. Reads JSON, logs and predictions, never the test images."""

from itertools import groupby
from pathlib import Path

import yaml
from sklearn.metrics import confusion_matrix

from pipeline.common import command, data, document, figures, params, results
from pipeline.common.artefacts import write_json, write_text
from pipeline.common.results import Results, read_json

REPORTED = Path("pipeline/reported.yaml")
FIGURES = Path("metrics/figures")


def write_summary(measured: Results) -> None:
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


def write_confusion(measured: Results, names: list[str]) -> None:
    """The selected model's confusion matrix as a figure, and as the list of pairs that DVC plots."""
    run = measured.selected
    seed = measured.best_seed(run)
    labels, probabilities = results.predictions(run, seed)
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=range(len(names)))
    figures.confusion_matrix(FIGURES / "confusion_matrix.png", counts, names, f"{run.title}, seed {seed}: test images")
    # Sorted, because DVC counts the pairs itself, and git stores and compares a sorted list best.
    pairs = sorted(f"{names[actual]},{names[guess]}\n" for actual, guess in zip(labels, predicted, strict=True))
    write_text(Path("metrics/confusion_matrix.csv"), "actual,predicted\n" + "".join(pairs))


def write_learning_curves(measured: Results) -> None:
    """A figure per group, each run with its best seed."""
    for group, runs in groupby(measured.trained, key=lambda run: run.group):
        curves = {run.name: results.learning_curves(run, measured.best_seed(run)) for run in runs}
        figures.learning_curves(FIGURES / f"learning_curves_{group}.png", curves, f"Learning curves: {group}")


def main() -> None:
    """Write the summary, the figures and the report."""
    measured = results.read(params.load())
    write_summary(measured)
    write_confusion(measured, data.class_names())
    write_learning_curves(measured)
    dataset, split = (read_json(Path(f"metrics/{name}.json")) for name in ("dataset", "split"))
    reported = yaml.safe_load(REPORTED.read_text(encoding="utf-8")) if dataset["dataset"] == "cifar10" else {}
    by_class = read_json(Path(f"metrics/evaluate/{measured.selected.group}/per_class.json"))
    text = document.report(measured, reported, dataset, split, by_class[measured.selected.name])
    write_text(Path("metrics/report.md"), text)
    print(document.results_table(measured, reported))


if __name__ == "__main__":
    command.run(main)
