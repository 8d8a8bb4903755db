"""The whole graph on digits, by DVC, in a git and DVC repository of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project, copy_project

STAGES = ["fetch", "preprocess", "baseline", "evaluate@baseline", "report"]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which every stage has run, and all is committed."""
    project = copy_project(tmp_path_factory.mktemp("reproduced"))
    project.succeed("dvc", "repro")
    project.commit()
    return project


@pytest.fixture
def clean(reproduced: Project) -> Iterator[Project]:
    """The reproduced project, and afterwards as it was."""
    yield reproduced
    reproduced.succeed("git", "reset", "--quiet", "--hard", "main")
    reproduced.succeed("dvc", "checkout", "--force")


def stages_run(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


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
    assert selected["run"] == "baseline/baseline"
    assert selected["test_accuracy"] == tested["baseline"]["accuracy"]
    assert selected["val_accuracy"] == trained["val"]["accuracy"]


def test_the_confusion_matrix_is_that_of_the_test_figures(reproduced: Project) -> None:
    lines = (reproduced.folder / "metrics" / "confusion_matrix.csv").read_text().splitlines()
    pairs = [line.split(",") for line in lines[1:]]
    accuracy = sum(actual == predicted for actual, predicted in pairs) / len(pairs)
    assert read(reproduced, "evaluate/baseline.json")["baseline"]["accuracy"]["mean"] == pytest.approx(
        accuracy, abs=1e-6
    )


def test_every_figure_of_the_report_is_in_the_json(reproduced: Project) -> None:
    report = (reproduced.folder / "metrics" / "report.md").read_text()
    for figures in (read(reproduced, "evaluate/baseline.json")["baseline"], read(reproduced, "baseline.json")["val"]):
        assert f"{figures['accuracy']['mean']:.4f}" in report
    for figures in read(reproduced, "evaluate/baseline/per_class.json")["baseline"].values():
        assert f"{figures['f1']['mean']:.4f}" in report
    for image in Path(reproduced.folder / "metrics" / "figures").glob("*.png"):
        assert f"figures/{image.name}" in report


def test_a_second_repro_runs_nothing(clean: Project) -> None:
    assert stages_run(clean.succeed("dvc", "repro")) == []


def test_a_forced_repro_gives_the_same_bytes(clean: Project) -> None:
    assert stages_run(clean.succeed("dvc", "repro", "--force")) == STAGES
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_an_experiment_reruns_only_what_is_stale(clean: Project) -> None:
    output = clean.succeed("dvc", "exp", "run", "-S", "train.epochs=2", "-S", "baseline.learning_rate=1e-5")
    assert stages_run(output) == ["baseline", "evaluate@baseline", "report"]
    assert read(clean, "baseline.json")["epochs"]["mean"] == 2
    assert "baseline.accuracy.mean" in clean.succeed("dvc", "metrics", "diff")


def test_an_edit_of_the_report_reruns_the_report_alone(clean: Project) -> None:
    with (clean.folder / "pipeline" / "report.py").open("a") as file:
        file.write("# An edit.\n")
    assert stages_run(clean.succeed("dvc", "repro")) == ["report"]


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
    output = clean.succeed("scripts/demo", TMPDIR=str(tmp_path))
    (folder,) = tmp_path.glob("cifar10-demo-*")
    assert f"runs in {folder}" in output
    assert "| baseline |" in output
    assert (clean.succeed("git", "status", "--porcelain"), clean.succeed("dvc", "exp", "list", "--name-only")) == before
    assert clean.succeed("dvc", "status", "--quiet") == ""
    (clean.folder / "uncommitted.txt").unlink()
