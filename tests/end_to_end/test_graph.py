"""The whole graph on digits, by DVC, in a git and DVC repository of its own."""

import csv
import json
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.params import reading
from pipeline.reporting import comparisons, document, published, results
from tests.conftest import Project

STAGES = {
    *("fingerprint", "fetch", "preprocess", "baseline@100", "scale@shallow-100", "scale@medium-100", "regularise@100"),
    *("ablation@l2-1e-5-100", "folds@l2-1e-5-1", "folds@l2-1e-5-2", "tune@final", "winner@final-100"),
    *("beyond@conv-5min-100", "folds@conv-5min-1", "folds@conv-5min-2", "report"),
    *(f"evaluate@{group}" for group in ("baseline", "scale", "regularise", "ablation", "tune", "beyond")),
}

WRITES_HALF_A_MODEL = """
import os, pathlib, signal, sys
from pipeline.files.artefacts import atomic_write
with atomic_write(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def read(project: Project, name: str) -> Any:
    return json.loads((project.folder / "metrics" / name).read_text())


def test_the_metrics_are_there_in_the_fixed_form(reproduced: Project) -> None:
    metrics = json.loads((reproduced.folder / "logs/baseline/seed-100/metrics.json").read_text())
    assert set(metrics) == {"val", "train", "epochs", "best_epoch", "parameters", "multiply_adds"}
    assert set(metrics["val"]) == {"accuracy", "loss", "precision", "f1"}
    assert set(metrics["train"]) == {"accuracy", "loss"}
    # 1,149 training images of 3,072 numbers, 10 classes, 10 epochs; forward, and backward for the kernel alone
    assert metrics["multiply_adds"] == 1_149 * 30_720 * 2 * 10
    baseline = read(reproduced, "baseline.json")
    parts = {"n", "val", "test", "train", "epochs", "best_epoch", "parameters", "multiply_adds", "ensemble", "naive"}
    assert set(baseline) == parts
    assert set(baseline["test"]) == {"accuracy", "precision", "f1"}
    assert baseline["n"] == 1
    assert set(baseline["test"]["accuracy"]) == {"mean"}
    assert baseline["naive"]["test"]["accuracy"] < 0.2 < baseline["test"]["accuracy"]["mean"]
    assert set(read(reproduced, "scale.json")) == {"shallow", "medium"}
    assert set(read(reproduced, "beyond.json")) == {"conv-5min", "ensemble"}
    (fold_figures,) = [entry.get("folds") for entry in read(reproduced, "ablation.json").values()]
    # What one image costs in an epoch, by the model that was trained on the 1,149 of train.
    whole = json.loads((reproduced.folder / "logs/ablation/l2-1e-5/seed-100/metrics.json").read_text())
    cost = whole["multiply_adds"] / whole["epochs"] / 1_149
    accuracies, trained_on = [], []
    for fold in (1, 2):
        metrics = json.loads((reproduced.folder / f"logs/ablation/l2-1e-5/fold-{fold}/metrics.json").read_text())
        accuracies.append(metrics["val"]["accuracy"])
        trained_on.append(metrics["multiply_adds"] / metrics["epochs"] / cost)
        assert (reproduced.folder / f"models/folds/l2-1e-5/fold-{fold}.keras").is_file()
    # Each of two folds is trained on the other: together on all 1,437 of train and val.
    assert sorted(trained_on) == [718, 719]
    assert fold_figures["accuracy"]["n"] == 2
    assert fold_figures["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2, abs=1e-6)
    assert fold_figures["accuracy"]["std"] == pytest.approx(abs(accuracies[0] - accuracies[1]) / 2**0.5, abs=1e-6)
    summary = read(reproduced, "summary.json")
    assert set(summary) == {"selected", "selected_study"}
    for name, selected in summary.items():
        group, run = selected["run"].split("/")
        entry = read(reproduced, f"{group}.json") if group == run else read(reproduced, f"{group}.json")[run]
        assert selected["test_accuracy"] == entry["test"]["accuracy"]
        assert selected["val_accuracy"] == entry["val"]["accuracy"]
        assert selected["val_accuracy"]["mean"] >= baseline["val"]["accuracy"]["mean"]
        folder = group if group == run else selected["run"]
        copied = (reproduced.folder / "models" / f"{name.replace('_', '-')}.keras").read_bytes()
        assert copied == (reproduced.folder / "models" / folder / "seed-100.keras").read_bytes()


def test_git_alone_has_every_seed_epoch_class_and_trial(reproduced: Project) -> None:
    for group, runs in (("baseline", 1), ("scale", 2), ("regularise", 1), ("ablation", 1), ("tune", 1), ("beyond", 1)):
        assert len(rows(reproduced, f"{group}-seeds")) == runs
        assert len(rows(reproduced, f"{group}-classes")) == 10 * runs
    metrics = json.loads((reproduced.folder / "logs/scale/medium/seed-100/metrics.json").read_text())
    (seed,) = [row for row in rows(reproduced, "scale-seeds") if row["run"] == "medium"]
    assert float(seed["val_accuracy"]) == metrics["val"]["accuracy"]
    epochs = [row for row in rows(reproduced, "scale-epochs") if row["run"] == "medium"]
    assert [row["epoch"] for row in epochs] == [str(number) for number in range(1, 11)]
    # Without early stopping the last epoch's weights are kept: the log and the saved file agree.
    assert float(epochs[-1]["val_loss"]) == pytest.approx(metrics["val"]["loss"], abs=2e-6)
    trials = (reproduced.folder / "logs/tune/final/trials.csv").read_bytes()
    assert (reproduced.folder / "metrics/final-trials.csv").read_bytes() == trials
    assert len(rows(reproduced, "final-trials")) == 2


def rows(project: Project, name: str) -> list[dict[str, str]]:
    with (project.folder / "metrics" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_confusion_matrix_is_that_of_the_test_figures(reproduced: Project) -> None:
    lines = (reproduced.folder / "metrics" / "confusion_matrix.csv").read_text().splitlines()
    pairs = [line.split(",") for line in lines[1:]]
    accuracy = sum(actual == predicted for actual, predicted in pairs) / len(pairs)
    assert read(reproduced, "summary.json")["selected"]["test_accuracy"]["mean"] == pytest.approx(accuracy, abs=1e-6)


def numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from numbers(value)
    elif isinstance(content, float):
        yield content


def test_every_figure_of_the_report_is_in_the_json(reproduced: Project) -> None:
    report = (reproduced.folder / "metrics" / "report.md").read_text()
    known = {
        f"{abs(number):.4f}"
        for path in (reproduced.folder / "metrics").rglob("*.json")
        for number in numbers(json.loads(path.read_text()))
    }
    for path in (reproduced.folder / "metrics").glob("*-classes.csv"):
        scores = [row[key] for row in rows(reproduced, path.stem) for key in ("precision", "recall", "f1")]
        known |= {f"{float(score):.4f}" for score in scores}
    # Hyperparameters that a search found have six digits, and are text in the JSON.
    found = [entry["search"]["hyperparameters"] for entry in read(reproduced, "tune.json").values()]
    known |= {f"{float(value):.6g}" for search in found for value in search.values()}
    printed = re.findall(r"(?<![\d.])\d+\.\d{4}(?![\de])", report)
    assert len(printed) > 50
    assert set(printed) <= known
    for image in re.findall(r"\]\((figures/.*?)\)", report):
        assert (reproduced.folder / "metrics" / image).is_file()
    for run in ("baseline", "scale/shallow", "scale/medium", "regularise", "ablation/l2-1e-5", "beyond/conv-5min"):
        assert f"| {run} " in report


def test_on_cifar10_the_study_is_set_beside_the_measured_figures(
    reproduced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reproduced.folder)
    measured = results.read(reading.load("ablation", "baseline", "beyond", "reg", "scale", "train", "tune"))
    measured = replace(measured, dataset={**measured.dataset, "dataset": "cifar10-jpeg"})
    sections = published.sections(measured.runs, comparable=True)
    text = document.report(measured, sections, comparisons.answers(measured, sections), {})
    reported = {"0.3860", "0.5095", "0.5198", "0.5101", "0.5017", "0.5051", "0.4986"}
    assert {figure for figure in reported if figure in text} == reported
    assert "9. Results lived in pickles" in text
    assert f"test F1 of {read(reproduced, 'baseline.json')['test']['f1']['mean']:.4f}" in text
    assert "ablation/headline" not in text
    # 0.5095 for the shallow network, 0.5198 for the medium one
    row = next(line for line in text.splitlines() if line.startswith("| Scale: medium better than shallow?"))
    assert re.search(r"\| +\+0\.0103 \| +\| +unknown: one seed \|$", row)
    assert "cannot be computed: one seed has no spread" in text


def test_only_evaluate_reads_the_test_images(clean: Project) -> None:
    """Every stage after preprocess runs without them; evaluate does not."""
    shutil.rmtree(clean.folder / "data" / "prepared" / "test")
    for words in (["baseline", "100"], ["folds", "l2-1e-5", "1"], ["winner", "final", "100"], ["report"]):
        clean.stage(*words)
    failed = clean.call("evaluate", "baseline")
    assert failed.returncode == 1
    assert failed.stderr == "evaluate: data/prepared/test/images.npy: No such file or directory\n"


def test_a_second_repro_runs_nothing_and_a_forced_one_all(reproduced: Project) -> None:
    assert stages_run(reproduced.succeed("dvc", "repro")) == set()
    assert stages_run(reproduced.succeed("dvc", "repro", "--force", "--dry")) == STAGES


@pytest.mark.parametrize(
    ("place", "words"), [("reg", ("regularise", "100")), ("ablation.runs.l2-1e-5", ("ablation", "l2-1e-5", "100"))]
)
def test_a_run_can_halve_its_rate(clean: Project, place: str, words: tuple[str, ...]) -> None:
    """At a rate that is too high, val_loss rises: then halving changes what is learnt."""
    log = clean.folder / "logs" / "/".join(words[:-1]) / "seed-100/plots/metrics/train/loss.tsv"
    clean.set_params(**{"train.epochs": 6, f"{place}.learning_rate": 0.1, f"{place}.reduce_lr_patience": 0})
    clean.stage(*words)
    at_one_rate = log.read_bytes()
    clean.set_params(**{f"{place}.reduce_lr_patience": 1})
    clean.stage(*words)
    assert log.read_bytes() != at_one_rate


def test_a_run_is_added_in_one_line_and_removed_without_a_trace(clean: Project) -> None:
    output = clean.succeed("dvc", "exp", "run", "-S", "+scale.architectures.wide=[64]")
    assert stages_run(output) == {"scale@wide-100", "evaluate@scale", "report"}
    assert set(read(clean, "scale.json")) == {"shallow", "medium", "wide"}
    assert "| scale/wide " in (clean.folder / "metrics" / "report.md").read_text()
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    output = clean.succeed("dvc", "repro")
    assert stages_run(output) == {"evaluate@scale", "report"}
    for removed in ("models/scale/wide", "logs/scale/wide"):
        assert f"removed {removed}, which is of no run and seed of params.yaml" in output
    assert set(read(clean, "scale.json")) == {"shallow", "medium"}
    assert "wide" not in (clean.folder / "metrics" / "report.md").read_text()
    clean.succeed("python", "-m", "tools.tidy")
    clean.succeed("dvc", "repro")
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_what_dvc_cannot_bring_back_is_not_removed(clean: Project) -> None:
    note = clean.folder / "models/scale/note.txt"
    note.write_text("mine")
    failed = clean.call("evaluate", "scale")
    assert failed.returncode == 1
    assert failed.stderr.startswith("evaluate: models/scale/note.txt is of no run and seed of params.yaml")
    assert note.read_text() == "mine"


def test_what_a_kill_left_of_a_model_is_removed(clean: Project) -> None:
    """A process that SIGKILL ends while it writes a model leaves a part of it, which no cache can have."""
    killed = clean.run("python", "-c", WRITES_HALF_A_MODEL, "models/scale/shallow/seed-100.keras")
    assert killed.returncode == -signal.SIGKILL
    [left] = (clean.folder / "models/scale/shallow").glob(".*seed-100.keras")
    output = clean.succeed("dvc", "repro", "-f", "-s", "evaluate@scale")
    name = left.relative_to(clean.folder)
    assert f"evaluate: removed {name}, which a process that was killed left unfinished" in output
    assert not left.exists()
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_a_mistake_is_one_line_and_a_good_run_works_afterwards(clean: Project) -> None:
    for settings, message in (
        (["train.epochs=-1"], "baseline: params.yaml: train.epochs is -1; allowed: greater than or equal to 1"),
        (["+train.epcohs=5", "train.epochs=4"], "params.yaml: unknown parameter train.epcohs"),
        (["train.epcohs=5"], "Could not override 'train.epcohs'"),
        (["baseline.learning_rate=1e38"], "learning_rate is 1e+38"),
    ):
        failed = clean.run("dvc", "exp", "run", *(word for setting in settings for word in ("-S", setting)))
        output = failed.stdout + failed.stderr
        assert failed.returncode != 0
        assert message in output
        assert "Traceback" not in output
        clean.succeed("git", "checkout", "--quiet", "params.yaml")
        assert clean.succeed("git", "status", "--porcelain") == ""
    assert not list(clean.folder.glob("[lm]*/baseline/**/seed-*"))
    clean.succeed("dvc", "repro")
    assert clean.succeed("git", "status", "--porcelain") == ""
    assert clean.stale() == {}


def test_plots_show_the_curves_that_people_compare_and_not_hundreds_of_charts(reproduced: Project) -> None:
    plots = json.loads(reproduced.succeed("dvc", "plots", "show", "--json"))
    assert not plots.get("errors")
    charts = {name for name in plots["data"] if not name.endswith(".png")}
    assert "metrics/confusion_matrix.csv" in charts
    assert {"metrics/regularise-epochs.csv", "metrics/final-trials.csv"} <= charts
    assert len(charts) < 30


def test_a_stage_that_fails_says_how_its_committed_files_come_back(clean: Project) -> None:
    clean.set_params(**{"fetch.dataset": "cifar10"})
    failed = clean.run("dvc", "repro", "--single-item", "fetch", CIFAR10_ARCHIVE=str(clean.folder / "params.yaml"))
    assert failed.returncode != 0
    assert " D metrics/dataset.json" in clean.succeed("git", "status", "--porcelain").splitlines()
    (commands,) = re.findall(r'^fetch: DVC removed metrics/dataset\.json .*; "(.*)" brings back', failed.stderr, re.M)
    clean.succeed("sh", "-ec", commands)
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    assert clean.succeed("git", "status", "--porcelain") == ""
    assert clean.succeed("dvc", "status", "--quiet") == ""
