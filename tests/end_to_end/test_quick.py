"""`make quick`: two models of the whole, trained and reported in a folder of their own."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from pipeline.files.errors import UserError
from pipeline.params import reading, runs
from tests.conftest import ROOT, Project
from tests.end_to_end.test_graph import stages_run
from tests.end_to_end.test_run_cache import cached
from tools import quick

TRAINED = {f"ablation@{quick.STUDY.name}-7", f"beyond@{quick.BEYOND.name}-7"}


def test_the_committed_parameters_declare_both_runs() -> None:
    params = reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")
    for run in (quick.STUDY, quick.BEYOND):
        found = runs.find(params, run.group, run.name)
        # In bfloat16 a convolutional network takes hours on a processor without instructions for it.
        assert (found, runs.trained(params, found)[1].precision) == (run, "float32")


def test_two_models_are_trained_reported_and_used_and_count_for_the_whole(project: Project) -> None:
    original = reading.load("ablation", path=ROOT / "params.yaml").ablation.runs[quick.STUDY.name]
    two = {quick.STUDY.name: {"l2": original.l2, "learning_rate": 1e-3}, "l2-1e-5": {"l2": 1e-5}}
    other = {quick.BEYOND.name: {"network": "dense"}, "without": {"compared_with": quick.BEYOND.name}}
    beyond = project.params()["beyond"]["runs"] | other
    project.set_params(**{"train.seeds": [7, 8], "ablation.runs": two, "beyond.runs": beyond})
    project.commit()
    shutil.rmtree(project.folder / "metrics", ignore_errors=True)
    output = project.succeed("python", "-m", "tools.quick")
    assert stages_run(output) == {"fingerprint", "fetch", "preprocess", *TRAINED}
    for line in (
        "evaluate: left out of ablation, because not trained: l2-1e-5, folds of l2-1e-5",
        "evaluate: left out of beyond, because not trained: conv-5min, without, folds of conv-5min",
        "Not run yet: baseline, scale (2 runs), regularise, ablation (1 run), tune (2 runs), beyond (2 runs).",
    ):
        assert line in output.splitlines()
    # Nothing here says that a group was evaluated.
    assert project.succeed("git", "status", "--porcelain") == ""
    assert not any((project.folder / name).exists() for name in ("data", "dvc.lock", "logs", "metrics", "models"))
    folder = project.folder / "quick"
    evaluated = {name: json.loads((folder / f"metrics/{name}.json").read_text()) for name in ("ablation", "beyond")}
    assert {name: set(entries) for name, entries in evaluated.items()} == {
        "ablation": {quick.STUDY.name},
        "beyond": {quick.BEYOND.name, "ensemble"},
    }
    assert evaluated["ablation"][quick.STUDY.name]["n"] == 1
    assert "Measured results" in (folder / "metrics/report.md").read_text()

    (command,) = [line for line in output.splitlines() if "pipeline.predict PHOTO" in line]
    *_, model = command.split()
    assert (project.folder / model).is_file()
    missing = project.call("predict", "photo.jpg")
    assert (missing.returncode, f"; '--model {model}' takes" in missing.stderr) == (1, True)
    again = project.succeed("python", "-m", "tools.quick")
    assert stages_run(again) == set()

    whole = project.succeed("dvc", "repro", *TRAINED)
    assert stages_run(whole) == {"fingerprint"}
    assert cached(whole) == {"fetch", "preprocess", *TRAINED}


def test_a_folder_of_ones_own_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quick").mkdir()
    params = reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")
    with pytest.raises(UserError, match="quick is there and is not of 'make quick'; move it away"):
        quick.lay_out(params)
    assert list(Path("quick").iterdir()) == []


@pytest.mark.parametrize(("named", "given"), [("", ""), ("images.tar", "{}/images.tar"), ("http://a/b", "http://a/b")])
def test_the_archive_is_the_one_that_is_named_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIFAR10_ARCHIVE", named)
    Path("quick").mkdir()
    quick.call(
        sys.executable, "-c", "import os, pathlib; pathlib.Path('said').write_text(os.environ['CIFAR10_ARCHIVE'])"
    )
    assert Path("quick", "said").read_text() == given.format(tmp_path)
