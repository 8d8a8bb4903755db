"""Stages on a Dask cluster of real processes, each worker in a clone of its own with one shared cache."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.files.errors import UserError
from pipeline.params import reading
from tests.conftest import ROOT, Project
from tests.end_to_end.test_parallel import (
    LONG,
    PLAIN,
    keep_stages,
    parallel,
    processes_in,
    same_long_run,
    start,
    train_long,
    trains,
    wait_until,
)
from tools import cluster
from tools.graph import Graph
from tools.runner import Running

DASK = (sys.executable, "-m", "dask")
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Start]:
    """Start a scheduler or worker in a folder; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []
    states = str(tmp_path / "states")

    def begin(folder: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        environment = Project(tmp_path).environment | {"PATH": PLAIN, "CIFAR10_STATE": states} | environment
        with (tmp_path / f"{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*DASK, *words, "--no-dashboard"], cwd=folder, env=environment, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(dask: Start, tmp_path: Path) -> str:
    """The address of a scheduler."""
    file = tmp_path / "scheduler.json"
    dask(tmp_path, "scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(file))
    return str(wait_until(lambda: file.exists() and json.loads(file.read_text() or "{}").get("address")))


def clone(project: Project, name: str) -> Project:
    """A clone beside the project, which shares its cache and its states."""
    folder = project.folder.parent / name
    project.succeed("git", "clone", "--quiet", str(project.folder), str(folder))
    return Project(folder)


@pytest.fixture
def caller(clean: Project, tmp_path: Path) -> Project:
    """The project with a shared cache and a long run that is still to be trained."""
    (clean.folder / ".dvc/cache").rename(tmp_path / "cache")
    clean.environment |= {"CIFAR10_STATE": str(tmp_path / "states"), "PATH": PLAIN}
    keep_stages(clean, "fingerprint", "fetch", "preprocess", "beyond")
    clean.set_params(**{"beyond.runs": {"long": LONG}})
    clean.succeed("dvc", "config", "cache.dir", str(tmp_path / "cache"))
    clean.commit()
    return clean


WORKER = ("--no-nanny", "--nthreads", "1", "--resources", "threads=1")


def test_a_worker_that_dies_is_replaced_by_another_which_goes_on_and_bytes_are_those_of_a_serial_run(
    caller: Project, scheduler: str, dask: Start, tmp_path: Path
) -> None:
    serial = train_long(Project(shutil.copytree(caller.folder, tmp_path / "serial", symlinks=True)), tmp_path / "state")
    folders = [clone(caller, name).folder for name in ("first", "second")]
    workers = {folder: dask(folder, "worker", scheduler, *WORKER) for folder in folders}
    running = start(caller, "auto", scheduler)
    folder = wait_until(lambda: next(filter(trains, workers), None))
    workers.pop(folder).kill()
    output, _ = running.communicate()
    assert running.returncode == 0, output
    assert "1 stage ran" in output
    # The stage of the dead worker has ended with it.
    assert all("tools.stage_process" not in process.cmdline() for process in processes_in(folder))
    (other,) = workers
    assert any("continues after epoch" in log.read_text() for log in (other / ".dvc/tmp/stages").glob("*.log"))
    assert same_long_run(serial, caller)
    assert caller.succeed("dvc", "status").strip() == "Data and pipelines are up to date."


def test_workers_that_would_give_other_bytes_or_meet_in_no_cache_are_refused_with_one_line(
    caller: Project, scheduler: str, dask: Start, tmp_path: Path
) -> None:
    of_commit, of_cache, of_version, good = (clone(caller, name) for name in ("commit", "cacheless", "version", "good"))
    of_commit.succeed("git", "checkout", "--quiet", "HEAD~1")
    of_cache.succeed("dvc", "config", "--local", "cache.dir", str(tmp_path / "another"))
    (tmp_path / "library/tabulate-0.0.1.dist-info").mkdir(parents=True)
    metadata = tmp_path / "library/tabulate-0.0.1.dist-info/METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: tabulate\nVersion: 0.0.1\n")

    def refused(workers: int) -> tuple[list[str], str]:
        """The lines of warning, and the one line of the end, where so many workers have been started."""
        wait_until(lambda: sum("Registered to" in log.read_text() for log in tmp_path.glob("*.log")) == workers)
        time.sleep(1)
        ended = parallel(caller, "auto", scheduler)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        return ended.stdout.splitlines(), ended.stderr

    for project in (of_commit, of_cache):
        dask(project.folder, "worker", scheduler, *WORKER)
    dask(of_version.folder, "worker", scheduler, *WORKER, PYTHONPATH=str(tmp_path / "library"))
    warnings, error = refused(3)
    assert error.startswith("parallel: SCHEDULER: no worker can be used: the worker in ")
    head, before = (caller.succeed("git", "rev-parse", name).strip() for name in ("HEAD", "HEAD~1"))
    assert sorted(warnings) == sorted(
        f"warning: the worker in {os.uname().nodename}:{project.folder} is refused: its {what}"
        for project, what in (
            (of_commit, f"commit is {before}, and the caller's {head}"),
            (of_cache, f"cache {tmp_path / 'another'} is another than the caller's"),
            (of_version, f"tabulate is 0.0.1, and the caller's {version('tabulate')}"),
        )
    )
    # This one is accepted, but offers no resources.
    dask(good.folder, "worker", scheduler, "--no-nanny", "--nthreads", "1")
    assert refused(4) == (
        warnings,
        "parallel: SCHEDULER: no worker offers what a stage needs: --resources threads=1, or a multiple\n",
    )


def test_a_scheduler_that_does_not_answer_and_one_without_workers_are_named(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 2)
    params = reading.load("train", path=ROOT / "params.yaml")

    def start_none(stage: str) -> Running:
        pytest.fail(f"{stage} is started")

    def connect(address: str) -> None:
        with contextlib.chdir(ROOT), cluster.connected(address, Graph(), params.train, start_none, print):
            pytest.fail("no worker is there")

    with pytest.raises(UserError, match=r"^SCHEDULER: no worker is there; start some, each in a clone of its own$"):
        connect(scheduler)
    with pytest.raises(UserError, match=r"^SCHEDULER is tcp://127.0.0.1:9: no scheduler answers there"):
        connect("tcp://127.0.0.1:9")
