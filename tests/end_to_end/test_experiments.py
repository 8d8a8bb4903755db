"""What `dvc exp run` tries: in the work tree, in a temporary folder and from the queue."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Project
from tests.end_to_end.test_graph import stages_run
from tests.end_to_end.test_plots import BROWSER, drawn, template
from tests.end_to_end.test_run_cache import cached
from tools import jobs

__all__ = ["template"]


class Idea(NamedTuple):
    """A project in which one idea was tried, and what that printed: in a temporary folder, then in the work tree."""

    project: Project
    temporary: str
    here: str


@pytest.fixture(scope="module")
def idea(reproduced: Project) -> Idea:
    words = ("dvc", "exp", "run", "-S", "reg.learning_rate=1e-3")
    temporary = reproduced.succeed(*words, "--temp", "evaluate@regularise")
    return Idea(reproduced, temporary, reproduced.succeed(*words))


def test_an_idea_reruns_its_own_model_and_what_was_tried_before_is_not_trained_again(idea: Idea) -> None:
    assert stages_run(idea.temporary) == {"regularise@100", "evaluate@regularise"}
    assert stages_run(idea.here) == {"report"}
    assert cached(idea.here) == {"regularise@100", "evaluate@regularise"}


def test_what_changed_stands_at_the_end_beside_what_is_committed(idea: Idea) -> None:
    committed = json.loads(idea.project.succeed("git", "show", "HEAD:metrics/regularise.json"))
    before = f"{committed['test']['accuracy']['mean']:.4f}"
    said = rf"^regularise: test accuracy 0\.\d{{4}}, in the last commit {before}$"
    assert re.search(said, idea.temporary, re.MULTILINE)
    header, _, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in idea.here.splitlines() if line.startswith("|")
    ]
    assert header[-1] == "changed: test accuracy committed"
    assert (rows[-1][0], rows[-1][-1]) == ("regularise", before)
    assert [row[0] for row in rows if row[-1]] == ["regularise"]


def test_the_difference_fits_a_screen(idea: Idea) -> None:
    lines = idea.project.succeed("dvc", "metrics", "diff").splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 120
    for name in ("val.accuracy.mean", "test.accuracy.mean"):
        assert any("regularise.json" in line and name in line for line in lines)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here to draw the plots")
def test_the_difference_is_drawn_without_a_network(idea: Idea, template: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    idea.project.succeed("dvc", "plots", "diff", "HEAD", "--html-template", str(template), "--out", str(shown))
    plots, images, _ = drawn(shown / "index.html")
    text = (shown / "index.html").read_text()
    # One of either revision.
    assert plots["metrics_regularise-epochs_csv"] == {"line": 2}
    assert set(plots["metrics_confusion_matrix_csv"]) == {"rect"}
    assert all(plots.values())
    assert len(images) > 1
    assert '"rev": "HEAD"' in text
    assert '"rev": "workspace"' in text


def test_a_new_seed_trains_that_seed_alone_and_fewer_give_the_same_lock_wherever_they_are_run(clean: Project) -> None:
    clean.set_params(**{"train.seeds": [100, 7]})
    # The first seed alone trains folds.
    assert not any(stage.startswith("folds") for stage in clean.stale())
    output = clean.succeed("dvc", "repro", "evaluate@baseline", "evaluate@tune")
    assert stages_run(output) == {"baseline@7", "winner@final-7", "evaluate@baseline", "evaluate@tune"}
    forced = clean.succeed("dvc", "repro", "--force", "--dry", "-s", "baseline")
    assert stages_run(forced) == {"baseline@100", "baseline@7"}
    clean.commit()
    targets = ("-S", "train.seeds=[100]", "evaluate@baseline")
    clean.succeed("dvc", "exp", "run", "--name", "temporary", "--temp", *targets)
    clean.succeed("dvc", "exp", "run", "--name", "queued", "--queue", *targets)
    (clean.folder / ".venv").mkdir()
    (clean.folder / ".venv/installed").touch()
    workers = jobs.count("auto", threads=1)
    assert f"Started '{workers}' new experiments task queue worker" in clean.succeed("make", "queue")
    output = clean.succeed("dvc", "exp", "run", "--name", "here", *targets)
    assert "removed models/baseline/seed-7.keras" in output
    here = (clean.folder / "dvc.lock").read_text()
    for name in ("temporary", "queued"):
        wait_for(clean, name)
        other = clean.succeed("git", "show", f"{experiment(clean, name)}:dvc.lock")
        assert other == here, name


def experiment(project: Project, name: str) -> str:
    refs = project.succeed("git", "for-each-ref", "--format", "%(refname)", "refs/exps").split()
    return next(ref for ref in refs if ref.endswith(f"/{name}"))


def wait_for(project: Project, name: str) -> None:
    for _ in range(600):
        refs = project.succeed("git", "for-each-ref", "--format", "%(refname)", "refs/exps").split()
        if any(ref.endswith(f"/{name}") for ref in refs):
            return
        project.run("sleep", "0.5")
    raise AssertionError(project.succeed("dvc", "queue", "status"))
