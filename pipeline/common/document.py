"""The text of metrics/report.md: every figure in it comes from JSON that a stage wrote, or from the study."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.common.agreement import TOLERANCE, agreement
from pipeline.common.comparisons import Comparison, Interval
from pipeline.common.conclusions import conclusion, in_words, reported_differences
from pipeline.common.findings import findings
from pipeline.common.results import Results, figure
from pipeline.common.study import Section, questions


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


def provenance(dataset: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    """Where the images come from and how many there are; metrics/dataset.json and metrics/split.json in words."""
    sizes = ", ".join(f"{sum(split['counts'][part].values()):,} {part}" for part in ("train", "val", "test"))
    repeated = ", ".join(f"{count} {pair.replace('_', '/')}" for pair, count in split["duplicates"].items())
    pixels = {
        True: "the original pixels",
        False: "lossy: not the original pixels",
        None: "images of the user's own, brought to 32x32 pixels",
    }[dataset["lossless"]]
    return (
        f"Data: {dataset['dataset']} from {dataset['archive']} ({pixels}), sha256 {dataset['sha256']}; {sizes} images. "
        f"Exact duplicates between the parts: {repeated}."
    )


def overview(results: Results) -> str:
    """All declared runs in one table, and the naive classifier."""
    rows = [
        [
            run.title,
            f"{trained['parameters']:,}",
            f"{trained['epochs']['mean']:.0f}",
            figure(trained["val"]["accuracy"]),
            figure(results.tested[run]["accuracy"]),
            figure(results.tested[run]["f1"]),
            str(trained["epochs"]["n"]),
        ]
        for run, trained in results.trained.items()
    ]
    rows.append(["naive", "", "", "", figure(results.naive["accuracy"]), figure(results.naive["f1"]), ""])
    return table(["run", "parameters", "epochs", "val accuracy", "test accuracy", "test F1", "n"], rows)


def reported_beside_measured(section: Section, results: Results, comparable: bool) -> str:
    """One section's runs: measured figures and, where they are ``comparable``, what the study reports."""
    rows = []
    for run, reported in section.runs.items():
        test = results.tested[run]
        row = [run.name, figure(results.trained[run]["val"]["accuracy"]), figure(test["accuracy"]), figure(test["f1"])]
        if comparable:
            row += [f"{reported[key]:.4f}" if key in reported else "" for key in ("accuracy", "f1")]
            row.append(f"{test['accuracy']['mean'] - reported['accuracy']:+.4f}" if reported else "")
        rows.append(row)
    header = ["run", "val accuracy", "test accuracy", "F1"]
    return table(header + (["reported accuracy", "reported F1", "difference"] if comparable else []), rows)


_SEARCHES = """The best val accuracy is that of the winning trial's best epoch, the highest of all trials: too hopeful.
Trained afresh, the model of the epoch with the lowest val_loss is kept; as in the study, the rate
is then not halved."""


def searches(section: Section, results: Results) -> str:
    """What each search cost and found: its winner as a trial, and trained afresh."""
    rows = []
    for run in section.runs:
        search = results.trained[run]["search"]
        winner = search["winner"]
        found = ", ".join(f"{name} {value}" for name, value in winner["hyperparameters"].items())
        rows.append(
            [
                run.name,
                f"{search['trials']}",
                f"{search['epochs_spent']:,}",
                f"{winner['val_accuracy']:.4f}",
                figure(results.trained[run]["val"]["accuracy"]),
                found,
            ]
        )
    header = ["search", "trials", "epochs", "best val accuracy", "trained afresh", "hyperparameters of the winner"]
    return f"{table(header, rows)}\n\n{_SEARCHES}"


def compared(comparisons: Mapping[str, Comparison], reported: Mapping[str, float]) -> str:
    """The study's comparisons with both intervals, beside the differences that it reports."""

    def interval(bounds: Interval | None) -> str:
        return f"{bounds[0]:+.4f} to {bounds[1]:+.4f}" if bounds else ""

    header = ["question", "difference", "95 % over seeds", "95 % over images", "larger than the spread?"]
    rows = [
        [question, f"{c.difference:+.4f}", interval(c.over_seeds), interval(c.over_images), c.verdict]
        for question, c in comparisons.items()
    ]
    if not reported:
        return table(header, rows)
    for row, (question, c) in zip(rows, comparisons.items(), strict=True):
        known = question in reported
        row += [f"{reported[question]:+.4f}", conclusion(c, reported[question]) or ""] if known else ["", ""]
    return f"{table([*header, 'reported', 'the study'], rows)}\n\n{in_words(comparisons, reported)}"


def report(
    results: Results,
    sections: Sequence[Section],
    comparisons: Mapping[str, Comparison],
    dataset: Mapping[str, Any],
    split: Mapping[str, Any],
    by_class: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> str:
    """The whole report.

    ``dataset`` and ``split`` are metrics/dataset.json and metrics/split.json; ``by_class`` the per-class figures of the
    selected run on the test images.
    """
    comparable = dataset["dataset"] == "cifar10"
    reported = reported_differences(sections, questions(results.trained)) if comparable else {}
    selected = results.selected
    class_rows = [
        [name, *(figure(figures[key]) for key in ("precision", "recall", "f1")), f"{figures['support']['mean']:.0f}"]
        for name, figures in by_class.items()
    ]
    parts = [
        "# Measured results",
        f"Written by the report stage. Seeds: {', '.join(map(str, results.seeds))}. A figure is the mean over them, "
        "with the standard deviation (ddof 1) where there is more than one; precision, recall and F1 are weighted by "
        "class size. Models are selected by validation accuracy; test figures are reported beside it.",
        f"Selected: **{selected.title}**, test accuracy {figure(results.tested[selected]['accuracy'])}.",
        overview(results),
        "`naive` always names the most frequent class of the training images.",
        *([f"Not run yet: {', '.join(run.title for run in results.missing)}."] if results.missing else []),
        provenance(dataset, split),
        "![Training images](figures/samples.png)",
        "# Reported beside measured" if comparable else "# Section by section",
    ]
    for section in sections:
        parts += [f"## {section.title}", reported_beside_measured(section, results, comparable)]
        if section.id == "tune":
            parts.append(searches(section, results))
            parts += [f"![Trials of {run.name}](tune/{run.name}/search.png)" for run in section.runs]
        if section.id != "study_b":
            parts.append(f"![Learning curves](figures/learning_curves_{section.id}.png)")
    if comparable:
        parts += [
            f"## Accuracies that differ by more than {TOLERANCE}",
            agreement(sections, results),
        ]
    parts += [
        "# Comparisons that the study draws",
        "Difference in test accuracy, first less second. Over seeds: Student's t for paired runs, which answers "
        "whether another training would agree. Over images: a paired bootstrap, which answers only whether these "
        "very models differ.",
        compared(comparisons, reported),
    ]
    if comparable:
        parts.append("# What the study got wrong")
        parts += [f"{n}. {wrong} **{here}**" for n, (wrong, here) in enumerate(findings(results, split), start=1)]
    parts += [
        f"# {selected.title} on the test images",
        table(["class", "precision", "recall", "F1", "images"], class_rows),
        "![Confusion matrix](figures/confusion_matrix.png)",
        "Its most confident mistakes, with the probability it gave:",
        "![Mistakes](figures/mistakes.png)",
    ]
    return "\n\n".join(parts) + "\n"
