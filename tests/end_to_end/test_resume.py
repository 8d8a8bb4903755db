"""A run that is killed, stopped or hindered, as real processes: it ends bitwise equal to one that was not."""

import random
import re
import signal
import subprocess
import sys
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
from pipeline.files import dataset
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
    given = *runs.trained(params, run), *dataset.train_and_val(), params.train, TrainingProgress
    train_model(run, 100, *given, before_writing=lambda: None, save_seconds=0.0, piece_products=1)

Path.replace = counted
sys.argv = ["regularise"]
command.run(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Digits, prepared; a run with dropout, L2 and early stopping."""
    project = copy_project(tmp_path_factory.mktemp("resume"))
    project.set_params(**{"train.epochs": 40, "reg.learning_rate": 1e-3, "reg.dropout": 0.3})
    project.stage("fetch")
    project.stage("preprocess")
    return project


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> dict[str, bytes]:
    """What the stage itself gives, with few checkpoints and large pieces."""
    project.stage("regularise", "100")
    return take_outputs(project)


@pytest.fixture(autouse=True)
def states(project: Project, undisturbed: dict[str, bytes], tmp_path: Path) -> Iterator[Path]:
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


def start(
    project: Project, folder: Path | None = None, python: str = "python", **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Unbuffered, so that a killed process has said what it did.
        [python, "-u", "-c", DRIVER],
        cwd=folder or project.folder,
        env=project.environment | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def start_and_wait(project: Project, states: Path, python: str = "python") -> subprocess.Popen[str]:
    """Start a process, and return as soon as it has written a checkpoint itself."""
    before = stamps(states)
    process = start(project, python=python)
    while stamps(states) == before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def stamps(states: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in states.glob("*/seed-*.checkpoint")]


def continued_after(output: str) -> tuple[int, int]:
    """The epoch, and the batch of the next one, after which a process said to continue; zeros where it began anew."""
    found = re.findall(r"seed 100: continues after epoch (\d+)(?:, batch (\d+))?\n", output)
    assert len(found) == output.count("continues") <= 1
    return (int(found[0][0]), int(found[0][1] or 0)) if found else (0, 0)


def test_a_run_that_is_killed_and_stopped_again_and_again_ends_equal_to_one_that_was_not(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    """Five kills, two of them between a temporary file and its rename, which lose only that epoch; and two signals."""
    assert len(undisturbed) == 6
    began = []
    for write in (1, 5):
        process = start(project, KILL=str(write))
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        began.append(continued_after(output))
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start_and_wait(project, states)
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
        assert process.returncode == 128 + number
        assert "the state is saved: run the same command again to continue" in errors
        assert errors.count("\n") == 1
        assert outputs(project) == []
        began.append(continued_after(output))
    moments = random.Random(0)
    for _ in range(3):
        process = start_and_wait(project, states)
        time.sleep(moments.uniform(0.0, 0.3))
        process.kill()
        output, _ = process.communicate()
        began.append(continued_after(output))
    began.append(continued_after(project.stage("regularise", "100")))
    assert began[:3] == [(0, 0), (0, 0), (4, 0)]
    # Each process wrote a checkpoint of its own before it ended.
    assert began[2:] == sorted(set(began[2:]))
    assert take_outputs(project) == undisturbed
    assert list(states.iterdir()) == []


def test_a_state_cut_short_is_named_and_ignored_and_one_of_other_parameters_not_used(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    project.set_params(**{"reg.l2": 1e-4})
    start(project, KILL="5").communicate()
    (other,) = states.glob("*/seed-100.checkpoint")
    project.set_params(**{"reg.l2": 1e-5})
    output, _ = start(project, KILL="5").communicate()
    assert continued_after(output) == (0, 0)
    (path,) = set(states.glob("*/seed-100.checkpoint")) - {other}
    path.write_bytes(path.read_bytes()[:-1000])
    output = project.stage("regularise", "100")
    assert f"{path} is damaged and ignored" in output
    assert "continues" not in output
    assert take_outputs(project) == undisturbed
    assert list(states.glob("*/seed-100.checkpoint")) == [other]


def test_two_processes_on_one_run_are_kept_apart_and_one_elsewhere_is_waited_for(
    project: Project, states: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("pipeline", "fingerprints", "dvc.yaml", "params.yaml", "data"):
        (elsewhere / name).symlink_to(project.folder / name)
    project.succeed("git", "init", "--quiet", str(elsewhere))
    project.succeed("git", "-C", str(elsewhere), *COMMITTER, "commit", "--quiet", "--allow-empty", "-m", "Empty")
    # Not by way of a caller, which would be the one that is stopped.
    first = start_and_wait(project, states, sys.executable)
    first.send_signal(signal.SIGSTOP)
    second = project.run("python", "-c", DRIVER)
    assert second.returncode == 1
    assert second.stderr.startswith(f"regularise: process {first.pid} on ")
    assert second.stderr.count("\n") == 1
    # Another run, but of the same outputs.
    project.set_params(**{"reg.l2": 1e-4})
    other = project.call("regularise", "100")
    project.set_params(**{"reg.l2": 1e-5})
    assert other.returncode == 1
    assert f"process {first.pid} on " in other.stderr
    third = start(project, elsewhere)
    assert third.stderr is not None
    said = next((line for line in third.stderr if "waiting for it" in line), "")
    assert f"process {first.pid} on " in said
    first.send_signal(signal.SIGCONT)
    first.communicate()
    output, _ = third.communicate()
    assert first.returncode == third.returncode == 0
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
