"""Nothing is trained twice: DVC's run cache brings back what was trained once, here and elsewhere."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from tests.conftest import ROOT, Project
from tests.end_to_end.test_graph import STAGES, stages_run

FREE = {"fingerprint", "report"}


def cached(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if "is cached - skipping run" in line}


def test_outputs_that_were_deleted_come_back_from_the_run_cache_without_dvc_lock(clean: Project) -> None:
    for name in ("models", "logs", "data", "metrics", "fingerprints"):
        clean.succeed("rm", "-rf", name)
    clean.succeed("rm", "dvc.lock")
    output = clean.succeed("dvc", "repro")
    assert stages_run(output) == FREE
    assert cached(output) == STAGES - FREE
    assert clean.succeed("git", "status", "--porcelain") == ""


CHANGES: list[tuple[str, object, object, set[str]]] = [
    ("baseline.learning_rate", 1e-2, 1e-3, {"baseline@100", "evaluate@baseline"}),
    ("scale.learning_rate", 1e-3, 1e-4, {"scale@shallow-100", "scale@medium-100", "evaluate@scale"}),
    ("reg.dropout", 0.5, 0.1, {"regularise@100", "evaluate@regularise"}),
    (
        "ablation.runs.l2-1e-5.l2",
        1e-2,
        1e-5,
        {"ablation@l2-1e-5-100", "folds@l2-1e-5-1", "folds@l2-1e-5-2", "evaluate@ablation"},
    ),
    (
        "beyond.runs.conv-5min.momentum",
        0.5,
        0.85,
        {"beyond@conv-5min-100", "folds@conv-5min-1", "folds@conv-5min-2", "evaluate@beyond"},
    ),
    (
        "tune.searches.final.space.learning_rate",
        [1e-3, 2e-3],
        [1.1e-4, 1.3e-4],
        {"tune@final", "winner@final-100", "evaluate@tune"},
    ),
]


def with_dependents(graph: Any, names: Iterable[str]) -> set[str]:
    """The stages of these names, and all that depend on them."""
    stages = {stage.name: stage for stage in graph}
    waiting = [stages[name] for name in names]
    found = set()
    while waiting:
        stage = waiting.pop()
        found.add(stage.name)
        waiting += [dependent for dependent in graph.predecessors(stage) if dependent.name not in found]
    return found


@pytest.mark.parametrize(("parameter", "other", "before", "trained"), CHANGES)
def test_a_changed_parameter_makes_its_own_stages_stale(
    reproduced: Project, parameter: str, other: object, before: object, trained: set[str]
) -> None:
    graph = Repo(str(reproduced.folder)).index.graph
    reproduced.set_params(**{parameter: other})
    assert with_dependents(graph, reproduced.stale()) == trained | {"report"}
    reproduced.set_params(**{parameter: before})


def test_a_parameter_changed_and_changed_back_trains_once(clean: Project) -> None:
    """That every kind of stage comes back from the run cache is seen above, and what each parameter makes stale."""
    (parameter, other, before, trained), *_ = CHANGES
    clean.set_params(**{parameter: other})
    assert stages_run(clean.succeed("dvc", "repro")) == trained | {"report"}
    clean.set_params(**{parameter: before})
    output = clean.succeed("dvc", "repro")
    assert stages_run(output) == {"report"}
    assert cached(output) == trained
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_a_run_that_hits_its_time_limit_is_continued_by_another_clone(clean: Project, tmp_path: Path) -> None:
    """The steps of .github/workflows/study.yml, in two clones that share a remote alone."""
    clean.set_params(**{"train.seeds": [7]})
    clean.commit()
    clean.succeed("dvc", "remote", "add", "--default", "study", str(tmp_path / "remote"))
    clean.commit()
    clones = []
    for name in ("first", "second"):
        clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / name))
        clones.append(Project(tmp_path / name))
    first, second = clones
    first.succeed("dvc", "repro", "baseline")
    first.succeed("dvc", "push", "--run-cache")
    second.run("dvc", "pull", "--run-cache", "--allow-missing")
    output = second.succeed("dvc", "repro", "--pull", "evaluate@baseline")
    assert not any(stage.startswith("baseline") for stage in stages_run(output))


def test_clones_that_share_nothing_bring_their_caches_together(clean: Project, tmp_path: Path) -> None:
    """By the recipe of docs/machines.md; where there is no rsync, with cp."""
    clean.set_params(**{"train.seeds": [7]})
    clean.commit()
    clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / "study"))
    other = Project(tmp_path / "study")
    assert "baseline@7" in stages_run(other.succeed("dvc", "repro", "baseline@7"))
    assert stages_run(clean.succeed("dvc", "repro", "regularise@7")) == {"regularise@7"}
    (recipe,) = (line for line in (ROOT / "docs/machines.md").read_text().splitlines() if line.startswith("rsync"))
    command = recipe.partition("#")[0].replace("other:study", str(other.folder))
    if shutil.which("rsync") is None:
        command = f"cp -R --no-clobber {other.folder}/.dvc/cache/. .dvc/cache"
    clean.succeed("sh", "-ec", command)
    output = clean.succeed("dvc", "repro", "baseline@7", "regularise@7")
    assert stages_run(output) == set()
    assert cached(output) == {"baseline@7"}
    model = "models/baseline/seed-7.keras"
    assert (clean.folder / model).read_bytes() == (other.folder / model).read_bytes()


def test_two_branches_that_both_trained_are_merged_by_the_recipe(clean: Project) -> None:
    for branch, parameter, value in (("penalty", "reg.l2", 1e-3), ("rate", "baseline.learning_rate", 1e-2)):
        clean.succeed("git", "checkout", "--quiet", "-b", branch, "main")
        clean.succeed("dvc", "checkout", "--quiet")
        clean.set_params(**{parameter: value})
        clean.succeed("dvc", "repro", "--quiet")
        clean.commit()
    assert clean.run("git", "merge", "--quiet", "penalty").returncode == 1
    (recipe,) = (
        line for line in (ROOT / "docs/recipes.md").read_text().splitlines() if line.startswith("git checkout --ours")
    )
    output = clean.succeed("sh", "-ec", recipe.replace("git commit", "git commit --quiet --no-edit"))
    assert stages_run(output) == {"report"}
    assert {"regularise@100", "evaluate@regularise"} <= cached(output)
    assert clean.succeed("git", "status", "--porcelain") == ""
    assert "Data and pipelines are up to date" in clean.succeed("dvc", "status")
