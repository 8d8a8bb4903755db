"""Stages beside each other, as real processes in a real graph: small programs, and the study's where bytes count."""

import contextlib
import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import yaml
from dvc.repo import Repo

from pipeline.files.errors import UserError
from pipeline.networks.backend import keras
from tests.conftest import ROOT, Project
from tools import plan
from tools.graph import Graph
from tools.parallel import main

# Writes what it was given, after so many seconds; asked to stop, it says so and ends, unless it is deaf, and not before
# a file "slow" has gone.
PROGRAM = """
import os, signal, sys, time
name, seconds, *inputs = sys.argv[1:]

def say(word):
    with open("trace", "a") as trace:
        trace.write(f"{word} {name}\\n")

def stop(number, frame):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while os.path.exists("slow"):
        time.sleep(0.05)
    say("saved")
    sys.exit(128 + number)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN if name == "deaf" else stop)
say("began")
print(name, "epoch 1/4", flush=True)
time.sleep(float(seconds))
if name == "fail":
    sys.exit(f"{name}: it cannot be done")
# The first letter alone, so that what comes out may be the same again.
open(f"{name}.out", "w").write("".join(open(path).read()[:1] for path in inputs))
say("ended")
"""

# Without the `python` of the tests, whose stages are forks of a process of its own.
PLAIN = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Toy(Project):
    """A git and DVC repository of its own, whose stages take a fraction of a second."""

    def __init__(self, folder: Path, stages: dict[str, list[str]], **seconds: object) -> None:
        super().__init__(folder)
        self.environment["PYTHONPATH"] = str(ROOT)
        folder.mkdir()
        shutil.copy(ROOT / "params.yaml", folder)
        (folder / "program.py").write_text(PROGRAM)
        (folder / "source").write_text("text")
        self.define(stages, **seconds)
        self.succeed("git", "init", "-q")
        Repo.init(str(folder)).close()
        shutil.copy(ROOT / ".dvc/config", folder / ".dvc")

    def define(self, stages: dict[str, list[str]], **seconds: object) -> None:
        """Write dvc.yaml: of each stage those that it needs, and how long it takes."""
        defined = {}
        for name, needs in stages.items():
            inputs = [f"{needed}.out" for needed in needs] or ["source"]
            words = ["python", "program.py", name, str(seconds.get(name, 0.0)), *inputs]
            defined[name] = {"cmd": " ".join(words), "deps": inputs, "outs": [f"{name}.out"]}
        (self.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": defined}, sort_keys=False))

    def traced(self) -> list[str]:
        """What the stages have said so far, in its order."""
        path = self.folder / "trace"
        return path.read_text().splitlines() if path.exists() else []

    def plan(self, capsys: pytest.CaptureFixture[str]) -> str:
        """What `make plan JOBS=2` prints."""
        with contextlib.chdir(self.folder):
            plan.main("2")
        return capsys.readouterr().out


def parallel(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.parallel", *words)


def start(project: Project, *words: str, **variables: str) -> subprocess.Popen[str]:
    """The runner at the head of a process group, as a shell starts what a person types.

    Its stages are executed by the interpreter itself, so that they are in their groups and get their signals.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "tools.parallel", *words],
        cwd=project.folder,
        env=project.environment | {"PATH": PLAIN} | variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def processes_in(folder: Path) -> list[psutil.Process]:
    """All that work in ``folder``, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """No test leaves a process behind: those of a test that failed end here."""
    yield
    left = [process for folder in tmp_path.iterdir() for process in processes_in(folder)]
    for process in left:
        process.kill()
    assert left == []


def test_stages_that_fail_come_out_as_they_were_or_were_run_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(tmp_path / "toy", {"a": [], "b": ["a"], "c": ["a"], "fail": ["a"], "d": ["b", "fail"], "e": ["d"]})
    planned = toy.plan(capsys)
    assert len(re.findall(r"^\w+ +\d+ s  has not run yet$", planned, re.MULTILINE)) == 6
    assert "6 stages, of whose kind none has run" in " ".join(planned.split())
    failed = parallel(toy, "2")
    assert failed.returncode == 1
    assert toy.traced()[:2] == ["began a", "ended a"]
    assert {line for line in toy.traced() if line.startswith("ended")} == {"ended a", "ended b", "ended c"}
    *_, summary, why, left_out = failed.stdout.splitlines()
    assert summary.startswith("3 stages ran, 0 came from the run cache, 0 were unchanged, 1 failed, 2 were left out; ")
    log = ".dvc/tmp/stages/fail.log"
    assert why == f"failed: fail: fail: it cannot be done ({log} has all that it printed)"
    assert left_out == "left out, because they need it: d, e"
    assert "it cannot be done" in (toy.folder / log).read_text()
    # The first letter of the source stays, and is all that comes out: a runs, b and c do not.
    toy.define({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})
    (toy.folder / "source").write_text("tales")
    planned = toy.plan(capsys)
    for row in (
        r"a +\d+ s  source modified",
        r"c +\d+ s  follows a",
        r"d +\d+ s  has not run yet",
        "stages +4 of 4, 0",
    ):
        assert re.search(f"^{row}", planned, re.MULTILINE), planned
    (toy.folder / "trace").unlink()
    again = parallel(toy, "3")
    assert toy.traced() == ["began a", "ended a", "began d", "ended d"]
    assert sorted(re.findall(r"^\[\d/4\] (\w): unchanged; ", again.stdout, re.MULTILINE)) == ["b", "c"]
    assert toy.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    assert toy.plan(capsys) == "Data and pipelines are up to date.\n"
    (toy.folder / "source").write_text("text")
    assert re.search(r"^a +3 s  source modified; comes from the run cache$", toy.plan(capsys), re.MULTILINE)
    assert "1 came from the run cache, 3 were unchanged" in parallel(toy, "3").stdout
    with contextlib.chdir(toy.folder):
        main("3")
    assert capsys.readouterr().out == "Data and pipelines are up to date.\n"
    assert len(toy.traced()) == 4


def test_stages_save_and_end_with_their_runner_and_their_dvc(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": [], "deaf": []}, a=60, deaf=60)
    runner = start(toy, "2")
    wait_until(lambda: len(toy.traced()) == 2)
    # As a terminal does: to all of the group at once.
    os.killpg(runner.pid, signal.SIGINT)
    wait_until(lambda: "saved a" in toy.traced())
    os.killpg(runner.pid, signal.SIGINT)
    output, _ = runner.communicate(timeout=10)
    assert runner.returncode == 128 + signal.SIGINT
    assert "ending them at once" in output
    assert "stopped; the same command continues" in output
    assert "failed: " not in output
    assert processes_in(toy.folder) == []
    # DVC is killed, and the program that it ran is not.
    toy.define({"a": [], "b": ["a"], "c": []}, a=60)
    (toy.folder / "trace").unlink()
    runner = start(toy, "1")
    wait_until(lambda: "began a" in toy.traced())
    (dvc,) = [process for process in processes_in(toy.folder) if "tools.stage_process" in process.cmdline()]
    dvc.kill()
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 1
    assert re.search(r"^left out, because they need it: b$", output, re.MULTILINE)
    assert {"saved a", "ended c"} <= set(toy.traced())


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_stages_of_a_runner_that_was_killed_are_waited_for(tmp_path: Path, shell: str) -> None:
    """A stage's program takes the place of some shells; others end at a signal at once, and the program later."""
    toy = Toy(tmp_path / "toy", {"a": []}, a=60)
    (toy.folder / "slow").touch()
    runner = start(toy, "1", SHELL=shutil.which(shell) or shell)
    wait_until(lambda: "began a" in toy.traced())
    runner.kill()
    runner.wait()
    toy.define({"a": []})
    following = start(toy, "1")
    assert following.stdout is not None
    assert f"waiting for the stages of process {runner.pid}, which run here" in following.stdout.readline()
    (toy.folder / "slow").unlink()
    following.communicate(timeout=60)
    assert following.returncode == 0
    assert toy.traced() == ["began a", "saved a", "began a", "ended a"]
    assert processes_in(toy.folder) == []
    assert toy.succeed("dvc", "status").strip() == "Data and pipelines are up to date."


def test_a_list_of_files_in_use_that_a_killed_process_cut_short_is_removed(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": []})
    (toy.folder / ".dvc/tmp/rwlock").write_text('{"wri')
    assert "JSON structure is corrupted" in toy.run("dvc", "repro").stderr
    assert "1 stage ran" in parallel(toy, "1").stdout


def test_plan_says_in_a_line_which_process_works_on_the_same_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(tmp_path / "toy", {"a": [], "b": []})
    other = {"pid": os.getppid(), "cmd": "dvc repro"}
    in_use = {"write": {str(toy.folder / "a.out"): other}, "read": {}}
    (toy.folder / ".dvc/tmp/rwlock").write_text(json.dumps(in_use))
    planned = toy.plan(capsys)
    assert re.search(rf"^a +\d+ s  has to wait: process {os.getppid()} uses a\.out *$", planned, re.MULTILINE), planned
    assert re.search(r"^b +\d+ s  has not run yet *$", planned, re.MULTILINE)


def test_a_damaged_graph_is_named(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {})
    (toy.folder / "dvc.yaml").write_text("stages: [")
    with contextlib.chdir(toy.folder), pytest.raises(UserError, match=r"dvc\.yaml: "):
        Graph()


# A run of seconds, which writes a checkpoint when it is asked to stop.
LONG = {"network": "dense", "units": [32], "epochs": 80, "precision": "float32", "dropout": 0.2}


def trains(folder: Path) -> bool:
    """Whether the run has trained some epochs there."""
    log = folder / "logs/beyond/long/seed-100/plots/metrics/train/loss.tsv"
    with contextlib.suppress(FileNotFoundError):
        return log.read_text().count("\n") > 3
    return False


def keep_stages(project: Project, *names: str) -> None:
    """Leave only stages of these names in dvc.yaml, and of the groups the first alone is evaluated."""
    path = project.folder / "dvc.yaml"
    stages = yaml.safe_load(path.read_text())["stages"]
    stages["evaluate"]["foreach"] = {"baseline": stages["evaluate"]["foreach"]["baseline"]}
    path.write_text(yaml.safe_dump({"stages": {name: stages[name] for name in names}}, sort_keys=False))


def lock(project: Project) -> dict[str, Any]:
    """The entries of dvc.lock, which have the digest of every output."""
    return dict(yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"])


def train_long(project: Project, state: Path) -> Project:
    """Train the long run without an interruption and without DVC, in a process that has mirrored something before."""
    keras.ops.flip(keras.Input((2, 2, 1)), axis=2)
    project.set_params(**{"beyond.runs.long": LONG})
    project.stage("beyond", "long", "100", CIFAR10_STATE=str(state))
    return project


def same_long_run(one: Project, other: Project) -> bool:
    """Whether the model and the whole log of the long run are byte for byte the same in both."""
    paths = [path for path in (one.folder / "logs/beyond/long").rglob("*") if path.is_file()]
    names = [str(path.relative_to(one.folder)) for path in paths] + ["models/beyond/long/seed-100.keras"]
    assert len(names) > 5
    same, _, _ = filecmp.cmpfiles(one.folder, other.folder, names, shallow=False)
    return same == names


FIRST = ("fingerprint", "fetch", "preprocess", "baseline", "evaluate")


def test_bytes_are_those_of_dvc_repro_from_nothing_after_a_change_and_whoever_was_killed(
    clean: Project, tmp_path: Path
) -> None:
    serial = train_long(Project(shutil.copytree(clean.folder, tmp_path / "serial", symlinks=True)), tmp_path / "state")
    expected = lock(clean)
    for name in (".dvc/cache", ".dvc/tmp", "data", "models", "logs", "metrics", "fingerprints", "dvc.lock"):
        clean.succeed("rm", "-r", name)
    # From nothing, with another rate; then with the rate of `expected` and the long run beside it.
    keep_stages(clean, *FIRST)
    clean.set_params(**{"baseline.learning_rate": 1e-2})
    assert "5 stages ran" in clean.succeed("python", "-m", "tools.parallel", "3")
    changed = ("baseline@100", "evaluate@baseline")
    assert {name for name, entry in lock(clean).items() if entry != expected[name]} == set(changed)
    clean.succeed("git", "checkout", "dvc.yaml")
    keep_stages(clean, *FIRST, "beyond")
    clean.set_params(**{"baseline.learning_rate": 1e-3, "beyond.runs": {"long": LONG}})
    log = clean.folder / ".dvc/tmp/stages/beyond@long-100.log"
    runner = start(clean, "3")
    wait_until(lambda: trains(clean.folder))
    runner.kill()
    runner.communicate(timeout=30)
    wait_until(lambda: processes_in(clean.folder) == [])
    assert "the state is saved" in log.read_text()
    clean.succeed("python", "-m", "tools.parallel", "3")
    assert "continues after epoch" in log.read_text()
    assert same_long_run(serial, clean)
    entries = lock(clean)
    assert entries.pop("beyond@long-100")
    assert entries == {name: expected[name] for name in entries}
    assert set(changed) < set(entries)
    metrics = ("baseline.json", "baseline-seeds.csv", "baseline-epochs.csv", "dataset.json", "split.json")
    clean.succeed("git", "diff", "--exit-code", "--", *(f"metrics/{name}" for name in metrics))
    assert clean.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    assert "baseline@100" in (Path(clean.environment["XDG_CACHE_HOME"]) / "cifar10-dense-study/times.json").read_text()
