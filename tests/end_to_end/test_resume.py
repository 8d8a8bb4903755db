"""A run that is killed, stopped or hindered, as real processes: it ends bitwise equal to one that was not."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Project, copy_project

# Runs the stage regularise with a checkpoint after every piece, and dies by SIGKILL before the KILL-th is renamed.
DRIVER = """
import os, signal, sys
from pathlib import Path
from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.params import reading, runs
from pipeline.training.run import train_model

replace, left = Path.replace, int(os.environ.get("KILL", 0))

def counted(self, target):
    global left
    if str(target).endswith(".checkpoint"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

def main():
    params = reading.load("reg", "train")
    run = runs.find(params, "regularise", "regularise")
    trained = runs.trained(params, run)
    train_model(run, 100, *trained, params.train, TrainingProgress, lambda: None, save_seconds=0.0, piece_products=1)

Path.replace = counted
sys.argv = ["regularise"]
command.run(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Digits, prepared; a run with dropout, L2 and early stopping."""
    project = copy_project(tmp_path_factory.mktemp("resume"))
    project.set_params(**{"train.epochs": 40, "reg.learning_rate": 1e-3, "reg.dropout": 0.3})
    project.succeed("python", "-m", "pipeline.fetch")
    project.succeed("python", "-m", "pipeline.preprocess")
    return project


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> dict[str, bytes]:
    project.succeed("python", "-c", DRIVER)
    return take_outputs(project)


@pytest.fixture(autouse=True)
def states(project: Project, tmp_path: Path) -> Iterator[Path]:
    """A folder of its own for each test's states, and no outputs from an earlier one."""
    project.environment["CIFAR10_STATE"] = str(tmp_path / "states")
    take_outputs(project)
    yield tmp_path / "states" / "cifar10-dense-study"
    del project.environment["CIFAR10_STATE"]


def outputs(project: Project) -> list[Path]:
    return [path for place in ("models", "logs") for path in (project.folder / place).rglob("*") if path.is_file()]


def take_outputs(project: Project) -> dict[str, bytes]:
    taken = {str(path.relative_to(project.folder)): path.read_bytes() for path in outputs(project)}
    for path in outputs(project):
        path.unlink()
    return taken


def start(project: Project, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["python", "-c", DRIVER],
        cwd=project.folder,
        env=project.environment | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_state(states: Path, process: subprocess.Popen[str]) -> Path:
    while process.poll() is None:
        for path in states.glob("*/seed-*.checkpoint"):
            return path
        time.sleep(0.01)
    raise AssertionError(process.communicate())


def finish(project: Project, states: Path, undisturbed: dict[str, bytes]) -> str:
    """Run to the end; the outputs must be those of the undisturbed run, and no state may be left."""
    output = project.succeed("python", "-c", DRIVER)
    assert take_outputs(project) == undisturbed
    assert list(states.iterdir()) == []
    return output


def test_a_run_that_is_killed_five_times_ends_equal_to_one_that_was_not(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    assert len(undisturbed) == 6
    moments = random.Random(0)
    for _ in range(5):
        process = start(project)
        wait_for_state(states, process)
        time.sleep(moments.uniform(0.0, 0.6))
        process.kill()
        process.wait()
    assert "continues after epoch" in finish(project, states, undisturbed)


@pytest.mark.parametrize("write", [1, 5])
def test_a_kill_between_the_temporary_file_and_its_rename_loses_only_that_epoch(
    project: Project, states: Path, undisturbed: dict[str, bytes], write: int
) -> None:
    process = start(project, KILL=str(write))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    output = finish(project, states, undisturbed)
    assert (f"seed 100: continues after epoch {write - 1}\n" in output) == (write > 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_within_seconds_with_the_state_saved(
    project: Project, states: Path, undisturbed: dict[str, bytes], number: signal.Signals
) -> None:
    process = start(project)
    wait_for_state(states, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert "the state is saved: run the same command again to continue" in errors
    assert errors.count("\n") == 1
    assert outputs(project) == []
    assert "continues after epoch" in finish(project, states, undisturbed)


def test_a_state_cut_short_is_named_and_ignored(project: Project, states: Path, undisturbed: dict[str, bytes]) -> None:
    start(project, KILL="5").communicate()
    (path,) = states.glob("*/seed-100.checkpoint")
    path.write_bytes(path.read_bytes()[:-1000])
    output = finish(project, states, undisturbed)
    assert f"{path} is damaged and ignored" in output
    assert "continues" not in output


def test_the_state_of_other_parameters_is_not_used(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    project.set_params(**{"reg.l2": 1e-4})
    start(project, KILL="5").communicate()
    project.set_params(**{"reg.l2": 1e-5})
    output = project.succeed("python", "-c", DRIVER)
    assert "continues" not in output
    assert take_outputs(project) == undisturbed


def test_an_orphan_with_other_parameters_keeps_the_outputs_to_itself(project: Project, states: Path) -> None:
    orphan = start(project)
    wait_for_state(states, orphan)
    orphan.send_signal(signal.SIGSTOP)
    project.set_params(**{"reg.l2": 1e-4})
    second = project.run("python", "-c", DRIVER)
    project.set_params(**{"reg.l2": 1e-5})
    orphan.kill()
    orphan.communicate()
    assert second.returncode == 1
    assert f"process {orphan.pid} on " in second.stderr
    take_outputs(project)


def test_two_processes_on_one_run_are_kept_apart(project: Project, states: Path, undisturbed: dict[str, bytes]) -> None:
    first = start(project)
    wait_for_state(states, first)
    first.send_signal(signal.SIGSTOP)
    second = project.run("python", "-c", DRIVER)
    assert second.returncode == 1
    assert second.stderr.startswith(f"regularise: process {first.pid} on ")
    assert second.stderr.count("\n") == 1
    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert first.returncode == 0
    assert take_outputs(project) == undisturbed


def test_a_process_elsewhere_is_waited_for(
    project: Project, states: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("pipeline", "params.yaml", "data"):
        (elsewhere / name).symlink_to(project.folder / name)
    project.succeed("git", "init", "--quiet", str(elsewhere))
    project.succeed("git", "-C", str(elsewhere), *COMMITTER, "commit", "--quiet", "--allow-empty", "-m", "Empty")
    first = start(project)
    wait_for_state(states, first)
    second = subprocess.Popen(
        ["python", "-c", DRIVER],
        cwd=elsewhere,
        env=project.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first.communicate()
    output, errors = second.communicate()
    assert first.returncode == second.returncode == 0
    assert f"process {first.pid} on " in errors
    assert "waiting for it" in errors
    assert "continues" not in output
    assert take_outputs(project) == undisturbed
    for name, content in undisturbed.items():
        assert (elsewhere / name).read_bytes() == content


COMMITTER = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")


@pytest.mark.parametrize(
    ("options", "message"), [("size=1m", "No space left on device"), ("ro", "Read-only file system")]
)
def test_training_goes_on_where_the_state_cannot_be_written(
    project: Project, states: Path, undisturbed: dict[str, bytes], options: str, message: str
) -> None:
    """The folder is a mount in a namespace of its own, which takes no root and ends with the process."""
    states.parent.mkdir()
    mounted = f'mount -t tmpfs -o {options} tmpfs "$CIFAR10_STATE" && exec python -c "$0"'
    output = project.succeed("unshare", "--map-root-user", "--mount", "sh", "-c", mounted, DRIVER)
    assert message in output
    assert take_outputs(project) == undisturbed
