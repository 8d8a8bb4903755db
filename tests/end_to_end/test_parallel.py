"""Stages beside each other, as real processes in a real graph: small programs, and the study's where bytes count."""

import contextlib
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

from tests.conftest import ROOT, Project

# Writes what it was given, after so many seconds; asked to stop, it says so and ends.
PROGRAM = """
import os, signal, sys, time
name, seconds, *inputs = sys.argv[1:]

def say(word):
    with open("trace", "a") as trace:
        trace.write(f"{word} {name}\\n")

def stop(number, frame):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(float(os.environ.get("SAVE_SECONDS", 0)))
    say("saved")
    sys.exit(128 + number)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
say("began")
print(name, "epoch 1/4", flush=True)
time.sleep(float(seconds))
if "fail" in sys.argv:
    sys.exit(f"{name}: it cannot be done")
# The first letter alone, so that what comes out may be the same again.
open(f"{name}.out", "w").write("".join(open(path).read()[:1] for path in inputs))
say("ended")
"""


class Toy(Project):
    """A git and DVC repository of its own, whose stages take a fraction of a second."""

    def __init__(self, folder: Path, stages: dict[str, list[str]], **seconds: object) -> None:
        super().__init__(folder)
        self.environment["PYTHONPATH"] = str(ROOT)
        folder.mkdir()
        shutil.copy(ROOT / "params.yaml", folder)
        (folder / "program.py").write_text(PROGRAM)
        (folder / "source").write_text("text")
        (folder / ".gitignore").write_text("trace\n")
        self.define(stages, **seconds)
        for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            self.succeed(*words)

    def define(self, stages: dict[str, list[str]], **seconds: object) -> None:
        """Write dvc.yaml: of each stage those that it needs, and how long it takes."""
        defined = {}
        for name, needs in stages.items():
            inputs = [f"{needed}.out" for needed in needs] or ["source"]
            words = ["python", "program.py", name, str(seconds.get(name, 0.0)), *inputs]
            defined[name] = {"cmd": " ".join(words), "deps": inputs, "outs": [f"{name}.out"]}
        (self.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": defined}, sort_keys=False))

    def trace(self) -> list[str]:
        """What the stages have said so far, in its order; it is forgotten."""
        path = self.folder / "trace"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


def parallel(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.parallel", *words)


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    """The runner at the head of a process group, as a shell starts what a person types."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.parallel", *words],
        cwd=project.folder,
        env=project.environment,
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


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["a"], "e": ["b", "c", "d"]}


def test_stages_run_beside_each_other_after_what_they_need_and_what_comes_out_as_it_was_runs_nothing(
    tmp_path: Path,
) -> None:
    toy = Toy(tmp_path / "toy", DIAMOND, b=4, c=4, d=4)
    output = parallel(toy, "2").stdout
    trace = toy.trace()
    assert trace[:2] == ["began a", "ended a"]
    assert trace[-2:] == ["began e", "ended e"]
    middle = [line.split()[0] for line in trace[2:-2]]
    running = [middle[: count + 1].count("began") - middle[: count + 1].count("ended") for count in range(len(middle))]
    assert max(running) == 2
    assert re.findall(r"^\[(\d)/5\] \w: ran for ", output, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert "left" in output
    assert toy.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    assert "Running" not in toy.succeed("dvc", "repro")
    # Nothing is stale.
    assert parallel(toy, "2").stdout == "Data and pipelines are up to date.\n"
    assert toy.trace() == []
    # The first letter stays: a runs, and those after it do not.
    (toy.folder / "source").write_text("tales")
    output = parallel(toy, "3").stdout
    assert toy.trace() == ["began a", "ended a"]
    for name in "bcde":
        assert f"{name}: unchanged" in output
    assert toy.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    # What was there before comes from the run cache.
    (toy.folder / "source").write_text("text")
    assert "1 came from the run cache, 4 were unchanged" in parallel(toy, "3").stdout
    assert toy.trace() == []


def test_what_fails_is_told_at_the_end_what_needs_it_is_left_out_and_all_else_goes_on(tmp_path: Path) -> None:
    stages = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "fail": ["a"], "f": ["fail", "b"], "g": ["f"]}
    toy = Toy(tmp_path / "toy", stages)
    ended = parallel(toy, "2")
    assert ended.returncode == 1
    assert [line for line in toy.trace() if line.startswith("ended")] == ["ended a", "ended b", "ended c", "ended d"]
    *_, summary, failed, left_out = ended.stdout.splitlines()
    assert summary.startswith("4 stages ran, 0 came from the run cache, 0 were unchanged, 1 failed, 2 were left out; ")
    log = ".dvc/tmp/stages/fail.log"
    assert failed == f"failed: fail: fail: it cannot be done ({log} has all that it printed)"
    assert left_out == "left out, because they need it: f, g"
    assert "it cannot be done" in (toy.folder / log).read_text()
    # Those that ended well are kept.
    assert parallel(toy, "2").stdout.splitlines()[-3].startswith("0 stages ran, 0 came from the run cache, 0 were")


def test_ctrl_c_and_sigterm_let_the_stages_save_and_the_next_run_goes_on(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", DIAMOND, b=60, c=60)
    for number in (signal.SIGINT, signal.SIGTERM):
        runner = start(toy, "2")
        wait_until(lambda: len([line for line in traced(toy) if line in ("began b", "began c")]) == 2)
        began = time.monotonic()
        # As a terminal does: to all of the group at once.
        os.killpg(runner.pid, number)
        output, _ = runner.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert runner.returncode == 128 + number
        assert "stopped; the same command continues" in output
        assert "failed: " not in output
        assert sorted(toy.trace())[-2:] == ["saved b", "saved c"]
        assert processes_in(toy.folder) == []
    toy.define(DIAMOND)
    assert parallel(toy, "2").returncode == 0
    assert "began a" not in toy.trace()


def traced(toy: Toy) -> list[str]:
    path = toy.folder / "trace"
    return path.read_text().splitlines() if path.exists() else []


def test_stages_end_with_a_runner_that_is_killed_and_the_next_waits_for_them(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": [], "b": []}, a=60)
    toy.environment["SAVE_SECONDS"] = "8"
    runner = start(toy, "2")
    wait_until(lambda: {"began a", "ended b"} <= set(traced(toy)))
    runner.kill()
    runner.wait()
    toy.define({"a": [], "b": []})
    output = parallel(toy, "2").stdout
    assert f"waiting for the stages of process {runner.pid}, which run here" in output
    # The second a begins after the first has saved its state.
    assert toy.trace()[-3:] == ["saved a", "began a", "ended a"]
    assert processes_in(toy.folder) == []
    assert toy.succeed("dvc", "status").strip() == "Data and pipelines are up to date."


def test_the_program_of_a_stage_ends_with_its_dvc_and_a_stage_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": [], "b": []}, a=60)
    runner = start(toy, "1")
    wait_until(lambda: "began a" in traced(toy))
    (dvc,) = [process for process in processes_in(toy.folder) if "tools.stage_process" in process.cmdline()]
    dvc.kill()
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 1
    assert "failed: a: " in output
    assert {"saved a", "ended b"} <= set(toy.trace())
    # It ignores all that can be ignored: two Ctrl-C end it.
    (toy.folder / "program.py").write_text(
        "import signal, time\n"
        + "".join(f"signal.signal({number}, signal.SIG_IGN)\n" for number in (int(signal.SIGINT), int(signal.SIGTERM)))
        + "open('trace', 'w').write('began')\ntime.sleep(60)\n"
    )
    runner = start(toy, "1")
    wait_until(lambda: traced(toy) == ["began"])
    for _ in range(2):
        runner.send_signal(signal.SIGINT)
        time.sleep(1)
    output, _ = runner.communicate(timeout=10)
    assert runner.returncode == 130
    assert "ending them at once" in output
    assert processes_in(toy.folder) == []


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": []})
    for words, message in (
        (["0"], "parallel: JOBS is 0; allowed: auto, or a number from 1 on\n"),
        (["many"], "parallel: JOBS is many; allowed: auto, or a number from 1 on\n"),
    ):
        ended = parallel(toy, *words)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", message)
    (toy.folder / "dvc.yaml").write_text("stages: [")
    ended = parallel(toy, "1")
    assert ended.returncode == 1
    assert ended.stderr.startswith("parallel: dvc.yaml: ")
    assert ended.stderr.count("\n") == 1


def test_jobs_follow_the_cores_that_a_process_may_use(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", {"a": []})
    for threads, jobs in ((1, "2\n"), (2, "1\n"), (0, "1\n")):
        toy.set_params(**{"train.threads": threads})
        assert toy.run("taskset", "-c", "0,1", "python", "-m", "tools.jobs", "auto").stdout == jobs
    toy.set_params(**{"train.threads": 2})
    crowded = toy.run("taskset", "-c", "0", "python", "-m", "tools.jobs", "2")
    assert crowded.stdout == "2\n"
    assert crowded.stderr == (
        "warning: 2 jobs with train.threads 2 want 4 cores, and 1 are here: they slow each other down\n"
    )


def test_the_plan_names_what_is_stale_and_why_and_what_it_takes(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", DIAMOND)
    plan = toy.succeed("python", "-m", "tools.plan", "2")
    assert len(re.findall(r"^\| [a-e] +\| +has not run yet \|", plan, re.MULTILINE)) == 5
    assert "of 5 stages that never ran it is not known" in plan
    parallel(toy, "2")
    toy.trace()
    assert toy.succeed("python", "-m", "tools.plan", "2") == "Data and pipelines are up to date.\n"
    (toy.folder / "source").write_text("Text")
    plan = toy.succeed("python", "-m", "tools.plan", "2")
    rows = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in plan.splitlines() if row.startswith("| ")}
    assert rows["a"] == "source modified"
    assert rows["b"] == rows["c"] == rows["d"] == "if a changes"
    assert rows["e"] == "if b changes; if c changes; if d changes"
    assert "stages: 5 of 5, 0 of them from the run cache" in plan
    assert "with JOBS=2" in plan
    assert "disk: about 0 MB" in plan
    assert toy.trace() == []


# A run of seconds, which writes a checkpoint when it is asked to stop.
LONG = {"network": "dense", "units": [32], "epochs": 200, "precision": "float32", "dropout": 0.2}


def trains(folder: Path) -> bool:
    """Whether the run has trained some epochs there."""
    log = folder / "logs/beyond/long/seed-100/plots/metrics/train/loss.tsv"
    with contextlib.suppress(FileNotFoundError):
        return log.read_text().count("\n") > 3
    return False


def outputs(project: Project) -> dict[str, Any]:
    """The entries of dvc.lock, which have the digest of every output, and what is not DVC's."""
    lock: dict[str, Any] = yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]
    return lock | {str(path.name): path.read_bytes() for path in (project.folder / "metrics").rglob("*.*")}


def test_after_a_change_all_is_byte_for_byte_as_dvc_repro_makes_it(clean: Project, tmp_path: Path) -> None:
    """A comment makes nothing stale but the fingerprints, which come out as they were; a rate trains one model."""
    with (clean.folder / "pipeline/baseline.py").open("a") as file:
        file.write("# A comment.\n")
    clean.set_params(**{"baseline.learning_rate": 1e-2})
    serial = Project(shutil.copytree(clean.folder, tmp_path / "serial", symlinks=True))
    serial.succeed("dvc", "repro")
    output = clean.succeed("python", "-m", "tools.parallel", "3")
    ran = set(re.findall(r"^\[\d+/\d+\] (\S+): ran for ", output, re.MULTILINE))
    assert ran == {"fingerprint", "baseline@100", "evaluate@baseline", "report"}
    assert "scale@medium-100: unchanged" in output
    assert outputs(clean) == outputs(serial)
    assert clean.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
    assert clean.succeed("python", "-m", "tools.parallel", "3") == "Data and pipelines are up to date.\n"
    assert "baseline@100" in (Path(clean.environment["XDG_CACHE_HOME"]) / "cifar10-dense-study/times.json").read_text()


def test_a_run_that_is_stopped_and_whose_runner_is_killed_ends_in_the_same_bytes(
    clean: Project, tmp_path: Path
) -> None:
    clean.set_params(**{"beyond.runs.long": LONG})
    serial = Project(shutil.copytree(clean.folder, tmp_path / "serial", symlinks=True))
    serial.environment["CIFAR10_STATE"] = str(tmp_path / "states")
    serial.succeed("dvc", "repro", "--single-item", "beyond@long-100")
    log = clean.folder / ".dvc/tmp/stages/beyond@long-100.log"
    for number in (signal.SIGINT, signal.SIGKILL):
        log.unlink(missing_ok=True)
        runner = start(clean, "2")
        wait_until(lambda: trains(clean.folder))
        os.killpg(runner.pid, number)
        runner.communicate(timeout=30)
        wait_until(lambda: processes_in(clean.folder) == [])
        assert "the state is saved" in log.read_text()
    runner = start(clean, "2")
    output, _ = runner.communicate()
    assert runner.returncode == 0, output
    assert "continues after epoch" in log.read_text()
    assert outputs(clean)["beyond@long-100"] == outputs(serial)["beyond@long-100"]
    assert clean.succeed("dvc", "status").strip() == "Data and pipelines are up to date."
