"""What runs left behind that are not declared any more: removed where DVC has it, named where it has not."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.rwlock import rwlock

from tests.conftest import Project


@pytest.fixture
def wide(clean: Project) -> Project:
    """A project in which all is up to date, dvc.lock too, though a run lies about that nobody declares."""
    for place in ("logs", "models"):
        shutil.copytree(clean.folder / place / "scale/medium", clean.folder / place / "scale/wide")
    lock = clean.folder / "dvc.lock"
    lock.write_text(lock.read_text() + "  scale@wide-100:\n    cmd: python -m pipeline.scale wide 100\n")
    return clean


def record(project: Project) -> None:
    """Have DVC take what is there for the inputs of evaluate@scale and report."""
    with contextlib.chdir(project.folder), Repo() as repo:
        for stage in ("evaluate@scale", "report"):
            repo.commit(stage, force=True)


def tree(project: Project) -> set[str]:
    places = [project.folder / name for name in ("data", "logs", "metrics", "models")]
    return {str(path.relative_to(project.folder)) for place in places for path in place.rglob("*")}


def test_what_is_removed_leaves_no_stage_stale_and_what_is_not_known_stays(wide: Project) -> None:
    notes = ("models/scale/note.txt", "logs/scale/wide/seed-100/note.txt", "metrics/my-trials.csv")
    for note in notes:
        (wide.folder / note).write_text("mine")
    # DVC could bring this one back, and yet no stage wrote it.
    shutil.copy2(wide.folder / "models/scale/medium/seed-100.keras", wide.folder / "models/scale/best.keras")
    # Here a stage writes, and yet DVC could not bring it back.
    (wide.folder / "models/scale/wide/seed-7.keras").write_text("trained by hand")
    record(wide)
    Path(wide.folder, "models/scale/wide/seed-7.keras").write_text("and once more")
    before, stale = tree(wide), wide.stale()
    output = wide.succeed("python", "-m", "tools.tidy")
    logs = {f"logs/scale/wide/seed-100/plots/metrics/{split}" for split in ("train", "val")}
    curves = {f"{log}/{score}.tsv" for log in logs for score in ("loss", "accuracy")}
    removed = {"models/scale/wide/seed-100.keras", "logs/scale/wide/seed-100/metrics.json", *curves}
    emptied = {*logs, "logs/scale/wide/seed-100/plots", "logs/scale/wide/seed-100/plots/metrics"}
    assert before - tree(wide) == removed | emptied
    assert tree(wide) <= before
    assert {line.removeprefix("removed ") for line in output.splitlines() if line.startswith("removed ")} == {
        *removed,
        "scale@wide-100 from dvc.lock",
    }
    for kept in (*notes, "models/scale/best.keras"):
        reason = "DVC's cache has no copy" if kept.startswith("metrics/") else "no stage writes such a file"
        assert f"kept {kept}, which is of no declared run: {reason}" in output
    assert "kept models/scale/wide/seed-7.keras, which is of no declared run: DVC's cache has no copy" in output
    # By the change above, not by what was removed.
    assert set(stale) == set(wide.stale()) == {"evaluate@scale", "report"}


def test_an_up_to_date_project_stays_so_and_then_there_is_nothing_to_remove(wide: Project) -> None:
    record(wide)
    assert wide.stale() == {}
    output = wide.succeed("python", "-m", "tools.tidy")
    assert wide.stale() == {}
    assert "removed models/scale/wide/seed-100.keras" in output
    assert not (wide.folder / "models/scale/wide").exists()
    assert wide.succeed("git", "status", "--porcelain") == ""
    output = wide.succeed("python", "-m", "tools.tidy")
    assert output.startswith("nothing to remove: ")
    assert output.count("\n") == 1


@contextlib.contextmanager
def evaluating(repo: Repo) -> Iterator[None]:
    """As while the stage evaluate@scale runs: DVC's lock is free, and what it reads is not."""
    models = str(Path("models/scale").absolute())
    with rwlock(repo.tmp_dir, repo.fs, "dvc repro", [models], [], hardlink=False):
        yield


@pytest.mark.parametrize("busy", ["any", "stage"])
def test_nothing_is_touched_while_dvc_works_here(wide: Project, busy: str) -> None:
    before, lock = tree(wide), (wide.folder / "dvc.lock").read_text()
    with contextlib.chdir(wide.folder), Repo() as repo, evaluating(repo) if busy == "stage" else repo.lock:
        ended = wide.run("python", "-m", "tools.tidy")
    assert ended.returncode == 1
    assert "(PID " in ended.stderr if busy == "stage" else "Unable to acquire lock" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert (tree(wide), (wide.folder / "dvc.lock").read_text()) == (before, lock)
