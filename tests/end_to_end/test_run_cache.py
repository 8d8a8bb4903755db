"""Nothing is trained twice: DVC's run cache brings back what was trained once, here and elsewhere."""

from pathlib import Path

import pytest

from tests.conftest import Project
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


@pytest.mark.parametrize(
    ("parameter", "other", "before", "trained"),
    [
        ("baseline.learning_rate", 1e-2, 1e-3, {"baseline@100", "evaluate@baseline"}),
        ("scale.learning_rate", 1e-3, 1e-4, {"scale@shallow-100", "scale@medium-100", "evaluate@scale"}),
        ("reg.dropout", 0.5, 0.1, {"regularise@100", "evaluate@regularise"}),
        ("ablation.runs.l2-1e-5.l2", 1e-2, 1e-5, {"ablation@l2-1e-5-100", "evaluate@ablation"}),
        (
            "tune.searches.final.space.learning_rate",
            [1e-3, 2e-3],
            [1.1e-4, 1.3e-4],
            {"tune@final", "winner@final-100", "evaluate@tune"},
        ),
    ],
)
def test_a_parameter_changed_and_changed_back_trains_once(
    clean: Project, parameter: str, other: object, before: object, trained: set[str]
) -> None:
    clean.set_params(**{parameter: other})
    assert stages_run(clean.succeed("dvc", "repro")) == trained | {"report"}
    clean.set_params(**{parameter: before})
    output = clean.succeed("dvc", "repro")
    assert stages_run(output) == {"report"}
    assert cached(output) == trained
    clean.succeed("git", "checkout", "--quiet", "params.yaml")
    assert clean.succeed("git", "status", "--porcelain") == ""


def test_a_new_seed_trains_that_seed_alone_and_force_trains_all(clean: Project) -> None:
    clean.set_params(**{"train.seeds": [100, 7]})
    output = clean.succeed("dvc", "repro", "evaluate@baseline", "evaluate@tune")
    seeds = {"baseline@7", "winner@final-7"}
    assert stages_run(output) == seeds | {"evaluate@baseline", "evaluate@tune"}
    assert stages_run(clean.succeed("dvc", "repro", "--force", "-s", "baseline")) == {"baseline@100", "baseline@7"}


def test_what_an_experiment_tried_is_not_trained_again(clean: Project) -> None:
    idea = ("-S", "reg.dropout=0.5", "evaluate@regularise")
    assert "regularise@100" in stages_run(clean.succeed("dvc", "exp", "run", "--temp", *idea))
    output = clean.succeed("dvc", "exp", "run", *idea)
    assert stages_run(output) == set()
    assert cached(output) == {"regularise@100", "evaluate@regularise"}


def test_fewer_seeds_give_the_same_lock_here_in_a_temporary_folder_and_from_the_queue(
    clean: Project, tmp_path: Path
) -> None:
    clean.set_params(**{"train.seeds": [100, 7]})
    clean.succeed("dvc", "repro", "evaluate@baseline", "evaluate@regularise")
    clean.commit()
    targets = ("-S", "train.seeds=[100]", "evaluate@baseline", "evaluate@regularise")
    clean.succeed("dvc", "exp", "run", "--name", "temporary", "--temp", *targets)
    clean.succeed("dvc", "exp", "run", "--name", "queued", "--queue", *targets)
    clean.succeed("dvc", "queue", "start")
    output = clean.succeed("dvc", "exp", "run", "--name", "here", *targets)
    assert "removed models/baseline/seed-7.keras" in output
    here = (clean.folder / "dvc.lock").read_text()
    clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / "clone"))
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


def test_a_run_that_hits_its_time_limit_is_continued_by_another_clone(clean: Project, tmp_path: Path) -> None:
    """The steps of .github/workflows/study.yml, in two clones that share a remote alone."""
    clean.set_params(**{"train.seeds": [100, 7]})
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
