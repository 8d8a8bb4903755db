"""The text of metrics/report.md: every figure in it comes from JSON that a stage wrote, or from the study."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.params.runs import SECTION_OF
from pipeline.reporting import comparisons, cost, parts, published
from pipeline.reporting.class_labels import in_tables
from pipeline.reporting.comparisons import Answer
from pipeline.reporting.errata import errata
from pipeline.reporting.markdown import magnitude, table
from pipeline.reporting.parts import Parts
from pipeline.reporting.published import StudySection
from pipeline.reporting.replication import TOLERANCE, differing_accuracies
from pipeline.reporting.results import Results


def provenance(dataset: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    """Where the images come from and how many there are; metrics/dataset.json and metrics/split.json in words."""
    sizes = ", ".join(f"{sum(split['counts'][name].values()):,} {name}" for name in ("train", "val", "test"))
    repeated = ", ".join(f"{count} {pair.replace('_', '/')}" for pair, count in split["duplicates"].items())
    pixels = {
        True: "the original pixels",
        False: "lossy: not the original pixels",
        None: "images of the user's own, brought to 32x32 pixels",
    }[dataset["lossless"]]
    return (
        f"Data: {dataset['dataset']} ({pixels}), sha256 of the content {dataset['content_sha256']}; {sizes} images. "
        f"Exact duplicates between them: {repeated}."
    )


def overview(results: Results) -> str:
    """All declared runs in one table, and the naive classifier."""
    rows = [
        [
            run.title,
            f"{result.parameters:,}",
            magnitude(result.multiply_adds.mean),
            f"{result.epochs.mean:.0f}",
            str(result.val["accuracy"]),
            str(result.test["accuracy"]),
            f"{result.ensemble['accuracy']:.4f}",
            str(result.test["f1"]),
            str(result.epochs.n),
        ]
        for run, result in results.runs.items()
    ]
    if results.naive is not None:
        rows.append(["naive", *[""] * 4, f"{results.naive['accuracy']:.4f}", "", f"{results.naive['f1']:.4f}", ""])
    scores = ["val accuracy", "test accuracy", "ensemble", "test F1", "n"]
    return table(["run", "parameters", "multiply-adds", "epochs", *scores], rows)


def reported_beside_measured(section: StudySection, results: Results, comparable: bool) -> str:
    """One section's runs: measured scores and, where they are ``comparable``, what the study reports."""
    rows = []
    for run, reported in section.runs.items():
        val, test = results.runs[run].val, results.runs[run].test
        cost = magnitude(results.runs[run].multiply_adds.mean)
        row = [run.name, cost, str(val["accuracy"]), str(test["accuracy"]), str(test["f1"])]
        if comparable:
            row += [f"{reported[key]:.4f}" if key in reported else "" for key in ("accuracy", "f1")]
            row.append(f"{test['accuracy'].mean - reported['accuracy']:+.4f}" if reported else "")
        rows.append(row)
    header = ["run", "multiply-adds", "val accuracy", "test accuracy", "test F1"]
    return table(header + (["reported accuracy", "reported F1", "difference"] if comparable else []), rows)


_SEARCHES = """The best val accuracy is that of the winning trial's best epoch: a maximum over all trials, hence
biased upwards. Trained afresh, the model of the epoch with the lowest val_loss is kept. As in the study, the learning
rate is then not halved."""


def searches(section: StudySection, results: Results) -> str:
    """What each search cost and found: its winner as a trial, and trained afresh."""
    rows = []
    for run in section.runs:
        search = results.runs[run].search
        if search is not None:
            found = ", ".join(f"{name} {float(value):.6g}" for name, value in search.hyperparameters.items())
            afresh = str(results.runs[run].val["accuracy"])
            rows.append(
                [run.name, f"{search.trials}", f"{search.epochs:,}", f"{search.val_accuracy:.4f}", afresh, found]
            )
    header = ["search", "trials", "epochs", "best val accuracy", "trained afresh", "hyperparameters of the winner"]
    return f"{table(header, rows)}\n\n{_SEARCHES}"


def together(results: Results) -> list[str]:
    """Paragraphs on the ensemble over runs beyond the study; none where it was not evaluated."""
    if results.together is None:
        return []
    members, val, test = results.together.members, results.together.val, results.together.test
    return [
        "# An ensemble over runs",
        "Each member is a run beyond the study with all its seeds, and together they name the class with the highest "
        "mean probability. One after another joins as long as that raises the accuracy on the validation images "
        f"(Caruana et al., 2004); chosen in this order: {', '.join(members)}. Validation accuracy "
        f"{val['accuracy']:.4f}; test accuracy {test['accuracy']:.4f}, test F1 {test['f1']:.4f}. The first table has "
        "each member alone.",
    ]


def cross_validation(results: Results) -> list[str]:
    """Paragraphs on the runs that were trained on folds; none where there is no such run."""
    rows = [
        [run.title, str(result.folds), str(result.folds.n), str(result.val["accuracy"]), str(result.val["accuracy"].n)]
        for run, result in results.runs.items()
        if result.folds is not None
    ]
    if not rows:
        return []
    return [
        "# Cross-validation",
        "Train and validation images together, divided into folds with the same share of every class; each fold is "
        "validated by a model of one seed that was trained on all others. The deviation is over folds, beside it that "
        "over seeds with the validation images held out. No test image is used.",
        table(["run", "val accuracy, folds", "folds", "val accuracy, held out", "seeds"], rows),
    ]


def selection(results: Results) -> str:
    """Which runs are selected, among all and among the study's own, and where their models lie."""
    texts = []
    for groups, among, model in (
        (SECTION_OF, "all", "models/selected.keras"),
        (published.STUDY_GROUPS, "the study's own groups", "models/selected-study.keras"),
    ):
        run = results.select(groups)
        if run is not None:
            texts.append(
                f"among {among} **{run.title}**, test accuracy {results.runs[run].test['accuracy']} (`{model}`)"
            )
    return f"Selected: {'; '.join(texts)}."


def report(results: Results, sections: Sequence[StudySection], answers: Mapping[str, Answer], worth: Parts) -> str:
    """The whole report; ``answers`` are those to the questions that the study asks, ``worth`` what each part is."""
    comparable = results.comparable
    selected = results.selected
    classes = results.runs[selected].classes
    class_rows = [
        [name, *(str(scores[key]) for key in ("precision", "recall", "f1")), f"{scores['images'].mean:.0f}"]
        for name, scores in zip(in_tables(list(classes)), classes.values(), strict=True)
    ]
    texts = [
        "# Measured results",
        f"Written by the report stage. Seeds: {', '.join(map(str, results.seeds))}. A score is the mean over them, "
        "with the standard deviation (ddof 1) where there is more than one; precision, recall and F1 are weighted by "
        "class size. Models are selected by validation accuracy; test scores are reported beside it.",
        selection(results),
        overview(results),
        "Multiply-adds are those of one seed's training. Ensemble: the test accuracy of all seeds together, which name "
        "the class with the highest mean probability. `naive` always names the most frequent class of the training "
        "images.",
        *([f"Not run yet: {', '.join(run.title for run in results.missing)}."] if results.missing else []),
        provenance(results.dataset, results.split),
        "![Training images](figures/samples.png)",
        "# Reported beside measured" if comparable else "# Section by section",
    ]
    for section in (section for section in sections if section.runs):
        texts += [f"## {section.title}", reported_beside_measured(section, results, comparable)]
        if section.id == "tune":
            texts.append(searches(section, results))
            texts += [f"![Trials of {run.name}](figures/search_{run.name}.png)" for run in section.runs]
        if section.id != "study_b":
            texts.append(f"![Learning curves](figures/learning_curves_{section.id}.png)")
    if comparable:
        texts += [
            f"## Accuracies that differ by more than {TOLERANCE}",
            differing_accuracies(sections, results),
        ]
    texts += ["# Comparisons that the study draws", *comparisons.texts(results, answers)]
    texts += ["# What each part is worth", *parts.texts(results, worth)] if worth else []
    texts += [*together(results), *cross_validation(results), "# What accuracy costs", *cost.texts(results)]
    if comparable:
        texts.append("# What the study got wrong")
        texts += [f"{n}. {wrong} **{here}**" for n, (wrong, here) in enumerate(errata(results), start=1)]
    texts += [
        f"# {selected.title} on the test images",
        table(["class", "precision", "recall", "F1", "images"], class_rows),
        "![Confusion matrix](figures/confusion_matrix.png)",
        "Its most confident mistakes, with the probability it gave:",
        "![Mistakes](figures/mistakes.png)",
    ]
    return "\n\n".join(texts) + "\n"
