"""The text of metrics/report.md: every figure in it comes from JSON that a stage wrote, or from the study."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.files.names import counted
from pipeline.files.runs import GROUPS_OF_ONE, Run
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


def overview(results: Results, committed: Mapping[Run, str] | None = None) -> str:
    """The scores of all declared runs in one table, and the naive classifier's.

    ``committed``: the committed test accuracy of each run whose test scores have changed; these runs stand last.
    """
    committed = committed or {}
    rows = [
        [
            run.title,
            str(result.val["accuracy"]),
            str(result.test["accuracy"]),
            f"{result.ensemble['accuracy']:.4f}",
            str(result.epochs.n),
            magnitude(result.multiply_adds.mean),
        ]
        for run, result in sorted(results.runs.items(), key=lambda entry: entry[0] in committed)
    ]
    unchanged = len(rows) - len(committed)
    if results.naive is not None:
        rows.insert(unchanged, ["naive", "", f"{results.naive['accuracy']:.4f}", "", "", ""])
    header = ["run", "val accuracy", "test accuracy", "ensemble", "n", "multiply-adds"]
    if committed:
        header.append("changed: test accuracy committed")
        before = [committed[run] for run in results.runs if run in committed]
        rows = [[*row, text] for row, text in zip(rows, [*[""] * (len(rows) - len(before)), *before], strict=True)]
    return table(header, rows)


def not_run(results: Results) -> list[str]:
    """One line that counts the runs which have not been evaluated, by group; none where all have been."""
    counts = Counter(run.group for run in results.missing)
    texts = [group if group in GROUPS_OF_ONE else f"{group} ({counted(n, 'run')})" for group, n in counts.items()]
    return [f"Not run yet: {', '.join(texts)}."] if texts else []


def reported_beside_measured(section: StudySection, results: Results, comparable: bool) -> str:
    """One section's runs: measured scores and, where they are ``comparable``, what the study reports."""
    rows = []
    for run, reported in section.runs.items():
        test = results.runs[run].test
        row = [run.name, str(test["accuracy"])]
        if comparable:
            row.append(f"{reported['accuracy']:.4f}" if reported else "")
            row.append(f"{test['accuracy'].mean - reported['accuracy']:+.4f}" if reported else "")
        row.append(str(test["f1"]))
        if comparable:
            row.append(f"{reported['f1']:.4f}" if "f1" in reported else "")
        rows.append([*row, magnitude(results.runs[run].multiply_adds.mean)])
    of_study = ["reported", "difference"], ["reported F1"]
    before, after = of_study if comparable else ([], [])
    return table(["run", "test accuracy", *before, "test F1", *after, "multiply-adds"], rows)


_SEARCHES = """The best val accuracy is that of the winning trial's best epoch: a maximum over all trials, hence
biased upwards. Trained afresh, the model of the epoch with the lowest val_loss is kept, and the learning rate is not
halved."""

_WEIGHTS = """Hyperparameters with one value are left out, and those that decided most come first. The share is
epsilon squared (Kelley, 1935) of the trials' ranks, within their rung, by the values of a hyperparameter (by thirds
where there are many): eta squared less what chance would give. Trials that continue an earlier one are not counted."""


def searches(section: StudySection, results: Results) -> list[str]:
    """What each search cost and found: its winner as a trial, and trained afresh."""
    rows, found = [], []
    for run in section.runs:
        search = results.runs[run].search
        if search is not None:
            afresh = str(results.runs[run].val["accuracy"])
            rows.append([run.name, f"{search.trials}", f"{search.epochs:,}", f"{search.val_accuracy:.4f}", afresh])
            values = ", ".join(f"{name} {float(value):.6g}" for name, value in search.hyperparameters.items())
            found += [f"Winner of {run.name}: {values}.", f"![Trials of {run.name}](figures/search_{run.name}.png)"]
    header = ["search", "trials", "epochs", "best val accuracy", "trained afresh"]
    return [table(header, rows), _SEARCHES, *([_WEIGHTS] if found else []), *found]


def together(results: Results) -> list[str]:
    """Paragraphs on the ensemble over runs beyond the study; none where it was not evaluated."""
    if results.together is None:
        return []
    members, val, test = results.together.members, results.together.val, results.together.test
    costs = [results.runs[Run("beyond", name)].multiply_adds for name in members]
    cost = sum(one_seed.mean * one_seed.n for one_seed in costs)
    return [
        "## An ensemble over runs",
        "Each member is a run of `beyond` with all its seeds, and together they name the class with the highest "
        "mean probability. One after another joins as long as that raises the accuracy on the validation images "
        f"(Caruana et al., 2004); chosen in this order: {', '.join(members)}. Validation accuracy "
        f"{val['accuracy']:.4f}, the highest of all ensembles tried, hence biased upwards; test accuracy "
        f"{test['accuracy']:.4f}, test F1 {test['f1']:.4f}. The first table has each member alone. Training all seeds "
        f"of all members costs {magnitude(cost)} multiply-adds.",
    ]


def cross_validation(results: Results) -> list[str]:
    """Paragraphs on the runs that were trained on folds; none where there is no such run."""
    rows = [
        [
            run.title,
            *(str(cell) for cell in (result.folds, result.folds.n, result.val["accuracy"], result.val["accuracy"].n)),
            magnitude(result.multiply_adds.mean),
        ]
        for run, result in results.runs.items()
        if result.folds is not None
    ]
    if not rows:
        return []
    return [
        "## Cross-validation",
        "Train and validation images together, divided into folds with the same share of every class; each fold is "
        "validated by a model of one seed that was trained on all others. The deviation is over folds, beside it that "
        "over seeds with the validation images held out. No test image is used. A run with a patience keeps the epoch "
        "with the lowest loss on the very images that score it, which raises both figures a little.",
        table(["run", "val accuracy, folds", "folds", "val accuracy, held out", "seeds", "multiply-adds of one"], rows),
    ]


def selection(results: Results) -> str:
    """Which runs are selected, among all and among the study's own, and where their models lie."""
    found: dict[Run, list[tuple[str, str]]] = {}
    for groups, among, model in (
        (SECTION_OF, "all runs", "models/selected.keras"),
        (published.STUDY_GROUPS, _listed(published.STUDY_GROUPS), "models/selected-study.keras"),
    ):
        run = results.select(groups)
        if run is not None:
            found.setdefault(run, []).append((among, model))
    texts = []
    for run, places in found.items():
        where = " and ".join(f"among {among} (`{model}`)" for among, model in places)
        texts.append(f"**{run.title}**, test accuracy {results.runs[run].test['accuracy']}, {where}")
    return f"Selected: {'; '.join(texts)}."


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


_CURVES_BEYOND = """In these curves training images are augmented, and their labels smoothed and mixed, as the run says;
validation images are not, and are seen at one look. So the loss on training images may be the higher one, and the val
accuracy of a run that averages several looks is not where its curve ends."""

_REPORTED = """A bar says where one more seed would lie with 95 % confidence (Student's t prediction interval): a
reported figure is that of one run. On the right, all less the reported accuracy, or the mean of two; a bar that reaches
the edge goes on beyond it."""

_MEASURED = """A bar says where one more seed would lie with 95 % confidence (Student's t prediction interval)."""


def report(results: Results, sections: Sequence[StudySection], answers: Mapping[str, Answer], worth: Parts) -> str:
    """The whole report; ``answers`` are those to the declared questions, ``worth`` what each part is."""
    comparable = results.comparable
    selected = results.selected
    classes = results.runs[selected].classes
    class_rows = [
        [name, *(str(scores[key]) for key in ("precision", "recall", "f1")), f"{scores['images'].mean:.0f}"]
        for name, scores in zip(in_tables(list(classes)), classes.values(), strict=True)
    ]
    several = len(results.seeds) > 1
    scores = "A score is the mean over them, with the standard deviation (ddof 1). " if several else ""
    of_all = "the test accuracy of all seeds together, which name the class with the highest mean probability"
    texts = [
        "# Measured results",
        f"Written by the report stage. {'Seeds' if several else 'Seed'}: {', '.join(map(str, results.seeds))}. "
        f"{scores}Precision, recall and F1 are weighted by class size. Models are selected by validation accuracy; "
        "test scores stand beside it.",
        selection(results),
        "![Test accuracy of every run and seed" + (", beside the reported one" if comparable else "") + "]"
        "(figures/accuracy.png)",
        *([_REPORTED if comparable else _MEASURED] if several else []),
        overview(results),
        f"Ensemble: {of_all}; n: seeds; multiply-adds: what training one seed costs. `naive` always names the most "
        "frequent class of the training images.",
        *([f"Not run yet: {', '.join(run.title for run in results.missing)}."] if results.missing else []),
        "## The images",
        provenance(results.dataset, results.split),
        "![Training images](figures/samples.png)",
        "## Reported beside measured" if comparable else "## Section by section",
    ]
    for section in sections:
        texts += [f"### {section.title}", reported_beside_measured(section, results, comparable)]
        if not section.repeats:
            texts.append(f"![Learning curves: {section.title}](figures/learning_curves_{section.id}.png)")
        if any(run.group == "beyond" for run in section.runs):
            texts.append(_CURVES_BEYOND)
        if section.id == "tune":
            texts += searches(section, results)
    if comparable:
        texts += [f"### Accuracies that differ by more than {TOLERANCE}", differing_accuracies(sections, results)]
    texts += ["## Comparisons" + (" that the study draws" if comparable else "")]
    texts += comparisons.texts(results, answers)
    texts += ["## What each part is worth", *parts.texts(results, worth)] if worth else []
    texts += [*together(results), *cross_validation(results), "## What accuracy costs", *cost.texts(results)]
    if comparable:
        texts.append("## What the study got wrong")
        texts.append("\n".join(f"{n}. {wrong} **{here}**" for n, (wrong, here) in enumerate(errata(results), start=1)))
    texts += [
        f"## {selected.title} on the test images",
        table(["class", "precision", "recall", "F1", "images"], class_rows),
        "![Confusion matrix of the test images](figures/confusion_matrix.png)",
        "Its most confident mistakes:",
        "![Mistakes, each with its label, the answer and its probability](figures/mistakes.png)",
    ]
    return "\n\n".join(texts) + "\n"
