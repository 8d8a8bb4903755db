"""A stage goes stale when its result can change, and only then; and nothing is recorded under another's fingerprint."""

import subprocess
import time

import pytest

from tests.conftest import Project

TRAINING = {"baseline", "scale", "regularise", "ablation", "beyond", "folds", "tune", "winner"}


def edit(project: Project, path: str, line: str) -> None:
    with (project.folder / path).open("a") as file:
        file.write(line)


def stale(project: Project) -> set[str]:
    """The kinds of stages that are stale because of new fingerprints."""
    project.succeed("python", "-m", "pipeline.fingerprint")
    found = project.stale()
    return {stage.partition("@")[0] for stage, paths in found.items() if any("fingerprints/" in path for path in paths)}


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        ("pipeline/params/search.py", "# A comment.\n", set()),
        ("pipeline/console/progress.py", "AN_EDIT = 1\n", set()),
        ("pipeline/runtime/checkpoints.py", "AN_EDIT = 1\n", set()),
        ("tools/tidy.py", "AN_EDIT = 1\n", set()),
        ("pipeline/reporting/plots.py", "AN_EDIT = 1\n", {"report"}),
        ("pipeline/search/oracles.py", "AN_EDIT = 1\n", {"tune"}),
        ("pipeline/training/program.py", "AN_EDIT = 1\n", TRAINING),
        ("pipeline/images/archives.py", "AN_EDIT = 1\n", {"fetch"}),
        ("pipeline/images/splitting.py", "AN_EDIT = 1\n", {"fetch", "preprocess", "folds"}),
        ("pipeline/scale.py", "AN_EDIT = 1\n", {"scale"}),
    ],
)
def test_an_edit_makes_stale_what_it_can_change(reproduced: Project, path: str, line: str, expected: set[str]) -> None:
    before = (reproduced.folder / path).read_text()
    try:
        edit(reproduced, path, line)
        assert stale(reproduced) == expected
    finally:
        (reproduced.folder / path).write_text(before)
        assert stale(reproduced) == set()


def test_another_version_in_the_lock_makes_training_stale_and_must_be_installed(clean: Project) -> None:
    lock = clean.folder / "requirements.lock"
    before = lock.read_text()
    for library in ("numpy", "keras", "tensorflow"):
        lock.write_text(before.replace(f"\n{library}==", f"\n{library}==9"))
        assert lock.read_text() != before
        assert stale(clean) >= TRAINING
        failed = clean.call("baseline", "100")
        assert failed.returncode == 1
        assert f"fingerprints/baseline.json is made for {library} 9" in failed.stderr
        assert "run 'make .venv'" in failed.stderr
    # By DVC, too, which must not take the failed stage for done.
    clean.succeed("dvc", "repro", "fingerprint")
    failed = clean.run("dvc", "repro", "-s", "baseline@100")
    assert failed.returncode != 0
    assert "fingerprints/baseline.json is made for tensorflow 9" in failed.stderr
    assert "baseline@100" in clean.stale()


def test_a_stage_after_an_edit_stops_with_one_line(clean: Project) -> None:
    edit(clean, "pipeline/training/program.py", "AN_EDIT = 1\n")
    failed = clean.run("dvc", "repro", "-f", "-s", "baseline@100")
    assert failed.returncode != 0
    line, *of_dvc = failed.stderr.splitlines()
    assert line == (
        "baseline: fingerprints/baseline.json does not match pipeline.training.program, which has changed; "
        "run 'dvc repro fingerprint' first"
    )
    assert all("baseline: " not in line for line in of_dvc)
    assert clean.succeed("git", "status", "--porcelain", "dvc.lock") == ""


def test_an_edit_while_a_stage_trains_stops_it_before_it_writes(clean: Project) -> None:
    clean.set_params(**{"train.epochs": 300})
    model = clean.folder / "models/baseline/seed-100.keras"
    process = subprocess.Popen(
        ["python", "-m", "pipeline.baseline", "100"],
        cwd=clean.folder,
        env=clean.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    log = clean.folder / "logs/baseline/seed-100/plots/metrics/train/loss.tsv"
    before = log.stat().st_mtime_ns
    while process.poll() is None and (not log.exists() or log.stat().st_mtime_ns == before):
        time.sleep(0.05)
    assert process.poll() is None
    edit(clean, "pipeline/training/program.py", "AN_EDIT = 1\n")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "does not match pipeline.training.program, which has changed; run 'dvc repro fingerprint' first" in errors
    assert not model.exists()
    assert not log.exists()
