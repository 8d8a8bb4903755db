"""The whole graph on digits, by DVC, in a git and DVC repository of its own."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.intervals import compare
from pipeline.files.runs import Run
from pipeline.params import reading
from pipeline.reporting import document, published, results
from tests.conftest import Project

STAGES = {
    *("fetch", "preprocess", "baseline", "scale@shallow", "scale@medium", "regularise"),
    *("ablation@dropout30", "ablation@l2-1e-5", "tune@broad", "tune@final", "report"),
    *("evaluate@baseline", "evaluate@scale", "evaluate@regularise", "evaluate@ablation", "evaluate@tune"),
}


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def read(project: Project, name: str) -> Any:
    return json.loads((project.folder / "metrics" / name).read_text())


def test_the_figures_are_there_in_the_fixed_form(reproduced: Project) -> None:
    trained = read(reproduced, "baseline.json")
    assert set(trained) == {"val", "train", "epochs", "best_epoch", "parameters"}
    assert set(trained["val"]) == {"accuracy", "loss", "precision", "recall", "f1"}
    assert set(trained["train"]) == {"accuracy", "loss"}
    tested = read(reproduced, "evaluate/baseline.json")
    assert set(tested) == {"baseline", "naive"}
    assert set(tested["baseline"]) == {"accuracy", "precision", "recall", "f1"}
    assert set(tested["baseline"]["accuracy"]) == {"mean", "n"}
    assert tested["naive"]["accuracy"]["mean"] < 0.2 < tested["baseline"]["accuracy"]["mean"]
    selected = read(reproduced, "summary.json")["selected"]
    group, run = selected["run"].split("/")
    assert selected["test_accuracy"] == read(reproduced, f"evaluate/{group}.json")[run]["accuracy"]
    assert selected["val_accuracy"]["mean"] >= trained["val"]["accuracy"]["mean"]
    assert (reproduced.folder / selected["model"]).is_file()


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
    # Hyperparameters that a search found have six digits, and are text in the JSON.
    found = read(reproduced, "tune/broad.json"), read(reproduced, "tune/final.json")
    known |= {value for search in found for value in search["search"]["winner"]["hyperparameters"].values()}
    printed = re.findall(r"(?<![\d.])\d+\.\d{4}(?![\de])", report)
    assert len(printed) > 50
    assert set(printed) <= known
    for image in re.findall(r"\]\((figures/.*?)\)", report):
        assert (reproduced.folder / "metrics" / image).is_file()
    for run in ("baseline", "scale/shallow", "scale/medium", "regularise", "ablation/dropout30", "ablation/l2-1e-5"):
        assert f"| {run} " in report


def test_on_cifar10_the_study_is_set_beside_the_measured_figures(
    reproduced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reproduced.folder)
    measured = results.read(reading.load("ablation", "baseline", "reg", "scale", "train", "tune"))
    measured = replace(measured, dataset={**measured.dataset, "dataset": "cifar10"})
    comparisons = {
        question: compare(results.correct(first, measured.seeds), results.correct(second, measured.seeds))
        for question, (first, second) in published.questions(measured.runs).items()
    }
    text = document.report(measured, published.sections(measured.runs), comparisons)
    reported = {"0.3860", "0.5095", "0.5198", "0.3905", "0.5101", "0.5017", "0.5051", "0.4986"}
    assert {figure for figure in reported if figure in text} == reported
    assert "9. Results lived in pickles" in text
    assert f"test F1 of {read(reproduced, 'evaluate/baseline.json')['baseline']['f1']['mean']:.4f}" in text
    assert "ablation/headline" not in text
    # 0.5095 for the shallow network, 0.5198 for the medium one
    (row,) = [line for line in text.splitlines() if line.startswith("| Scale: medium better than shallow?")]
    assert re.search(r"\| +\+0\.0103 \| +\|$", row)
    assert "With one seed nothing is known of the spread" in text


def test_only_evaluate_reads_the_test_images(clean: Project) -> None:
    """Every stage after preprocess runs without them; evaluate does not."""
    shutil.rmtree(clean.folder / "data" / "prepared" / "test")
    for stage in (["baseline"], ["scale", "shallow"], ["regularise"], ["ablation", "dropout30"], ["report"]):
        clean.succeed("python", "-m", f"pipeline.{stage[0]}", *stage[1:])
    failed = clean.run("python", "-m", "pipeline.evaluate", "baseline")
    assert failed.returncode == 1
    assert failed.stderr == "evaluate: data/prepared/test/images.npy: No such file or directory\n"


def test_the_best_seed_is_that_of_the_best_validation_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run("baseline", "baseline")
    for seed, accuracy in ((1, 0.3), (2, 0.5), (3, 0.4), (4, 0.5)):
        run.log(seed).mkdir(parents=True)
        (run.log(seed) / "metrics.json").write_text(json.dumps({"model": {"val_accuracy": accuracy}}))
    assert results.Results((1, 2, 3, 4), {}, {}, [], {}, {}).best_seed(run) == 2


def test_a_second_repro_runs_nothing(clean: Project) -> None:
    assert stages_run(clean.succeed("dvc", "repro")) == set()


def test_a_forced_repro_gives_the_same_bytes(clean: Project) -> None:
    assert stages_run(clean.succeed("dvc", "repro", "--force")) == STAGES
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_an_experiment_reruns_only_what_is_stale(clean: Project) -> None:
    output = clean.succeed("dvc", "exp", "run", "-S", "baseline.learning_rate=1e-5")
    assert stages_run(output) == {"baseline", "evaluate@baseline", "report"}
    assert "baseline.accuracy.mean" in clean.succeed("dvc", "metrics", "diff")


def test_an_idea_reruns_its_own_model(clean: Project) -> None:
    output = clean.succeed("dvc", "exp", "run", "-S", "reg.l2=1e-4")
    assert stages_run(output) == {"regularise", "evaluate@regularise", "report"}
    output = clean.succeed("dvc", "exp", "run", "-S", "ablation.runs.l2-1e-5.l2=2e-5")
    assert stages_run(output) == {"ablation@l2-1e-5", "evaluate@ablation", "report"}


@pytest.mark.parametrize(
    ("place", "stage"), [("reg", ("regularise",)), ("ablation.runs.l2-1e-5", ("ablation", "l2-1e-5"))]
)
def test_a_run_can_halve_its_rate(clean: Project, place: str, stage: tuple[str, ...]) -> None:
    """At a rate that is too high, val_loss rises: then halving changes what is learnt."""
    name = "/".join(stage)
    clean.set_params(**{"train.epochs": 6, f"{place}.learning_rate": 0.1, f"{place}.reduce_lr_patience": 0})
    clean.succeed("python", "-m", f"pipeline.{stage[0]}", *stage[1:])
    at_one_rate = read(clean, f"{name}/seed-100/metrics.json")
    clean.set_params(**{f"{place}.reduce_lr_patience": 1})
    clean.succeed("python", "-m", f"pipeline.{stage[0]}", *stage[1:])
    assert read(clean, f"{name}/seed-100/metrics.json")["train"] != at_one_rate["train"]


def test_a_run_is_added_in_one_line_and_removed_without_a_trace(clean: Project) -> None:
    output = clean.succeed("dvc", "exp", "run", "-S", "+scale.architectures.wide=[64]")
    assert stages_run(output) == {"scale@wide", "evaluate@scale", "report"}
    assert set(read(clean, "evaluate/scale.json")) == {"shallow", "medium", "wide"}
    assert "| scale/wide " in (clean.folder / "metrics" / "report.md").read_text()
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    output = clean.succeed("dvc", "repro")
    assert stages_run(output) == {"evaluate@scale", "report"}
    assert "models/scale/wide belongs to no run of params.yaml" in output
    assert set(read(clean, "evaluate/scale.json")) == {"shallow", "medium"}
    assert "wide" not in (clean.folder / "metrics" / "report.md").read_text()
    clean.succeed("python", "-m", "tools.tidy")
    assert not list(clean.folder.glob("m*/scale/wide*"))
    clean.succeed("dvc", "repro")
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_seeds_are_repeats(clean: Project) -> None:
    clean.set_params(**{"train.seeds": [100, 7]})
    clean.succeed("dvc", "repro", "evaluate@baseline")
    figures = read(clean, "evaluate/baseline.json")["baseline"]["accuracy"]
    labels = np.load(clean.folder / "data/predictions/baseline/labels.npy")
    accuracies = [
        np.mean(np.load(clean.folder / f"data/predictions/baseline/seed-{seed}.npy").argmax(axis=1) == labels)
        for seed in (100, 7)
    ]
    assert figures["mean"] == pytest.approx(np.mean(accuracies), abs=1e-6)
    assert figures["std"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-6)
    assert figures["n"] == 2


def test_an_edit_of_the_report_reruns_the_report_alone(clean: Project) -> None:
    with (clean.folder / "pipeline" / "report.py").open("a") as file:
        file.write("# An edit.\n")
    assert stages_run(clean.succeed("dvc", "repro")) == {"report"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["train.epochs=-1"], "baseline: params.yaml: train.epochs is -1; allowed: greater than or equal to 1"),
        (["+train.epcohs=5", "train.epochs=4"], "params.yaml: unknown parameter train.epcohs"),
        (["train.epcohs=5"], "Could not override 'train.epcohs'"),
        (["baseline.learning_rate=1e38"], "learning_rate is 1e+38"),
    ],
)
def test_a_mistake_is_one_line_and_a_good_run_works_afterwards(
    clean: Project, settings: list[str], message: str
) -> None:
    failed = clean.run("dvc", "exp", "run", *(word for setting in settings for word in ("-S", setting)))
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert message in output
    assert "Traceback" not in output
    if "learning_rate" in message:
        assert not list(clean.folder.glob("m*/baseline/**/seed-*"))
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    clean.succeed("dvc", "repro")
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_plots_have_the_learning_curves_and_the_confusion_matrix(reproduced: Project) -> None:
    plots = json.loads(reproduced.succeed("dvc", "plots", "show", "--json"))
    assert not plots.get("errors")
    assert {"Accuracy of baseline", "Loss of baseline", "metrics/confusion_matrix.csv"} <= set(plots["data"])


def test_the_demo_leaves_git_and_dvc_as_they_were(clean: Project, tmp_path: Path) -> None:
    (clean.folder / "uncommitted.txt").write_text("mine")
    before = clean.succeed("git", "status", "--porcelain"), clean.succeed("dvc", "exp", "list", "--name-only")
    output = clean.succeed("tools/demo", TMPDIR=str(tmp_path))
    (folder,) = tmp_path.glob("cifar10-demo-*")
    assert f"runs in {folder}" in output
    assert "| ablation/dropout30 |" in output
    assert (clean.succeed("git", "status", "--porcelain"), clean.succeed("dvc", "exp", "list", "--name-only")) == before
    assert clean.succeed("dvc", "status", "--quiet") == ""
    (clean.folder / "uncommitted.txt").unlink()
