"""The text of metrics/report.md: every figure in it comes from JSON that a stage wrote, or from the study."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.common.results import Results

Reported = Mapping[str, Mapping[str, float]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text: columns padded, all but the first to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def figure(measure: Mapping[str, float]) -> str:
    """A mean with four decimals, with its standard deviation where there is one."""
    spread = f" ± {measure['std']:.4f}" if "std" in measure else ""
    return f"{measure['mean']:.4f}{spread}"


def results_table(results: Results, reported: Reported) -> str:
    """All runs: validation and test figures, and, unless ``reported`` is empty, what the study reports."""
    header = ["run", "parameters", "val accuracy", "test accuracy", "F1", "n"]
    header += ["reported accuracy", "reported F1"] if reported else []
    rows = []
    for run, trained in results.trained.items():
        study = reported.get(str(run), {})
        rows.append(
            [
                run.title,
                f"{trained['parameters']:,}",
                figure(trained["val"]["accuracy"]),
                *_tested(results.tested[run]),
                *(f"{study[key]:.4f}" if key in study else "" for key in ("test_accuracy", "test_f1")),
            ]
        )
    rows.append(["naive", "", "", *_tested(results.naive), "", ""])
    return table(header, [row[: len(header)] for row in rows])


def _tested(figures: Mapping[str, Any]) -> list[str]:
    return [figure(figures["accuracy"]), figure(figures["f1"]), str(figures["accuracy"]["n"])]


def report(
    results: Results,
    reported: Reported,
    dataset: Mapping[str, Any],
    split: Mapping[str, Any],
    by_class: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> str:
    """The whole report.

    ``dataset`` and ``split`` are metrics/dataset.json and metrics/split.json; ``by_class`` the per-class figures of the
    selected run on the test images.
    """
    selected = results.selected
    seeds = ", ".join(map(str, results.seeds))
    sizes = ", ".join(f"{sum(split['counts'][part].values()):,} {part}" for part in ("train", "val", "test"))
    repeated = ", ".join(f"{count} {pair.replace('_', '/')}" for pair, count in split["duplicates"].items())
    pixels = "the original pixels" if dataset["lossless"] else "lossy: not the original pixels"
    class_rows = [
        [name, *(figure(figures[key]) for key in ("precision", "recall", "f1")), f"{figures['support']['mean']:.0f}"]
        for name, figures in by_class.items()
    ]
    groups = dict.fromkeys(run.group for run in results.trained)
    curves = "\n\n".join(f"![{group}](figures/learning_curves_{group}.png)" for group in groups)
    return f"""# Measured results

Written by the report stage. Figures are means over the seeds {seeds}, with the standard deviation (ddof 1) where there
is more than one. Precision, recall and F1 are weighted by class size. Reported figures are the study's, on CIFAR-10.

{results_table(results, reported)}

`naive` always names the most frequent class of the training images.

Selected by validation accuracy: **{selected.title}**, test accuracy {figure(results.tested[selected]["accuracy"])}.

## Data

{dataset["dataset"]}, from {dataset["archive"]} ({pixels}), sha256 {dataset["sha256"]}.
Images: {sizes}. Exact duplicates between the parts: {repeated}.

![Training images](figures/samples.png)

## {selected.title} by class, on the test images

{table(["class", "precision", "recall", "F1", "images"], class_rows)}

![Confusion matrix](figures/confusion_matrix.png)

## Learning curves

{curves}
"""
