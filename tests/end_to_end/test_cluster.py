"""Stages on a Dask cluster of real processes, each worker in a clone of its own with one shared cache."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import yaml

from tests.conftest import Project
from tests.end_to_end.test_parallel import LONG, parallel, processes_in, start, trains, wait_until

DASK = (sys.executable, "-m", "dask")
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def dask(clean: Project, tmp_path: Path) -> Iterator[Start]:
    """Start a scheduler or worker in a folder; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(folder: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        environment = clean.environment | environment
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


@pytest.fixture
def clones(clean: Project, tmp_path: Path) -> list[Project]:
    """Clones of the caller's project, with whose cache they share; their states lie in one folder."""
    (clean.folder / ".dvc/cache").rename(tmp_path / "cache")
    clean.environment["CIFAR10_STATE"] = str(tmp_path / "states")
    clean.set_params(**{"beyond.runs.long": LONG})
    clean.succeed("dvc", "config", "cache.dir", str(tmp_path / "cache"))
    clean.commit()
    made = []
    for name in ("first", "second", "third", "fourth"):
        clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / name))
        made.append(Project(tmp_path / name))
    return made


WORKER = ("--no-nanny", "--nthreads", "1", "--resources", "threads=1")


def test_a_worker_that_dies_is_replaced_by_another_which_goes_on_and_bytes_are_those_of_a_serial_run(
    clean: Project, clones: list[Project], scheduler: str, dask: Start
) -> None:
    first, second, serial, _ = clones
    serial.environment["CIFAR10_STATE"] = clean.environment["CIFAR10_STATE"] + "-of-its-own"
    serial.succeed("dvc", "config", "--local", "cache.dir", str(serial.folder / ".dvc/cache"))
    serial.succeed("cp", "-R", str(clean.folder.parent / "cache"), str(serial.folder / ".dvc/cache"))
    serial.succeed("dvc", "repro", "beyond@long-100")
    workers = {clone.folder: dask(clone.folder, "worker", scheduler, *WORKER) for clone in (first, second)}

    def training() -> Path | None:
        """The clone in which the run has trained some epochs."""
        return next(filter(trains, workers), None)

    # A caller that is killed takes its stages with it.
    caller = start(clean, "auto", scheduler)
    folder = wait_until(training)
    caller.kill()
    caller.wait()
    wait_until(lambda: processes_in(folder) == [psutil.Process(workers[folder].pid)], 30)
    for log in (folder / ".dvc/tmp/stages").glob("*.log"):
        assert "the state is saved" in log.read_text()
        log.unlink()
    # So does a worker, and another takes over.
    caller = start(clean, "auto", scheduler)
    folder = wait_until(training)
    workers.pop(folder).kill()
    output, _ = caller.communicate()
    assert caller.returncode == 0, output
    assert "3 stages ran" in output
    wait_until(lambda: all("tools.stage_process" not in process.cmdline() for process in processes_in(folder)), 30)
    (other,) = workers
    assert any("continues after epoch" in log.read_text() for log in (other / ".dvc/tmp/stages").glob("*.log"))
    locks = [yaml.safe_load((place.folder / "dvc.lock").read_text())["stages"] for place in (clean, serial)]
    assert locks[0]["beyond@long-100"] == locks[1]["beyond@long-100"]
    assert clean.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    # What the caller has is what its own `dvc repro` would take: nothing is left to run.
    assert "Running stage" not in clean.succeed("dvc", "repro")


def test_workers_that_would_give_other_bytes_or_meet_in_no_cache_are_refused_with_one_line(
    clean: Project, clones: list[Project], scheduler: str, dask: Start, tmp_path: Path
) -> None:
    of_commit, of_parameters, of_cache, of_version = clones
    of_commit.succeed("git", "checkout", "--quiet", "HEAD~1")
    of_parameters.set_params(**{"train.epochs": 11})
    of_cache.succeed("dvc", "config", "--local", "cache.dir", str(tmp_path / "another"))
    (tmp_path / "library/tabulate-0.0.1.dist-info").mkdir(parents=True)
    metadata = tmp_path / "library/tabulate-0.0.1.dist-info/METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: tabulate\nVersion: 0.0.1\n")
    none = parallel(clean, "auto", scheduler)
    assert none.returncode == 1
    assert none.stderr == "parallel: SCHEDULER: no worker is there; start some, each in a clone of its own\n"
    for clone in clones:
        library = {"PYTHONPATH": str(tmp_path / "library")} if clone is of_version else {}
        dask(clone.folder, "worker", scheduler, *WORKER, **library)
    dask(clean.folder, "worker", scheduler, *WORKER)
    dask(tmp_path, "worker", scheduler, *WORKER)
    wait_until(lambda: sum("Registered to" in log.read_text() for log in tmp_path.glob("*.log")) == 6)
    time.sleep(1)
    ended = parallel(clean, "auto", scheduler)
    assert ended.returncode == 1
    assert ended.stderr.startswith("parallel: SCHEDULER: no worker can be used: the worker in ")
    assert ended.stderr.count("\n") == 1
    lines = ended.stdout.splitlines()
    assert len(lines) == 6
    head, before = (clean.succeed("git", "rev-parse", name).strip() for name in ("HEAD", "HEAD~1"))
    for folder, refusal in (
        (of_commit.folder, f"its commit is {before}, and the caller's {head}"),
        (of_parameters.folder, "its params.yaml is "),
        (of_cache.folder, f"its cache {tmp_path / 'another'} is another than the caller's"),
        (of_version.folder, "its tabulate is 0.0.1, and the caller's "),
        (clean.folder, "that is the caller's own folder; allowed: a clone of its own"),
        (tmp_path, "its commit is none: it was not started in a clone, and the caller's "),
    ):
        (line,) = [line for line in lines if f"{os.uname().nodename}:{folder} is refused" in line]
        assert line.startswith("warning: the worker in ")
        assert refusal in line
    nobody = parallel(clean, "auto", "tcp://127.0.0.1:9")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("parallel: SCHEDULER is tcp://127.0.0.1:9: no scheduler answers there")
    assert nobody.stderr.count("\n") == 1


def test_a_cluster_without_room_for_a_stage_is_named(
    clean: Project, clones: list[Project], scheduler: str, dask: Start
) -> None:
    dask(clones[0].folder, "worker", scheduler, "--no-nanny", "--nthreads", "1")
    wait_until(lambda: any("Registered to" in log.read_text() for log in clean.folder.parent.glob("*.log")))
    ended = parallel(clean, "auto", scheduler)
    assert ended.returncode == 1
    assert ended.stderr == (
        "parallel: SCHEDULER: no worker offers what a stage needs: --resources threads=1, or a multiple\n"
    )
