"""Searches on digits as real processes: the same trials again, after a kill, and with a chief and workers."""

import csv
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.search import run
from pipeline.search.tuner import grpc
from pipeline.training import memory
from tests.conftest import Project, copy_project
from tests.search.test_distributed import end_every_trial, free_port

SEARCH = "tune.searches.broad"
# Brackets that begin with 4 trials of one epoch (2 of which go on to two epochs and 1 to four), 3 of two and 3 of four.
SMALL = {
    "tune.max_epochs": 4,
    "tune.factor": 2,
    f"{SEARCH}.space.units_1": [16, 32],
    f"{SEARCH}.space.units_2": [16, 32],
    f"{SEARCH}.space.units_3": [16, 32],
    f"{SEARCH}.space.units_4": [16, 32],
    "train.seeds": [100],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("tune"))
    project.set_params(**SMALL)
    project.stage("fetch")
    project.stage("preprocess")
    return project


@pytest.fixture(autouse=True)
def states(project: Project, tmp_path: Path) -> Iterator[Path]:
    """A folder of its own for each test's states, and parameters of its own."""
    params = project.folder / "params.yaml"
    before = params.read_text()
    project.environment["CIFAR10_STATE"] = str(tmp_path / "states")
    yield tmp_path / "states" / "cifar10-dense-study"
    del project.environment["CIFAR10_STATE"]
    params.write_text(before)


@pytest.fixture(scope="module")
def undisturbed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project.stage("tune", "broad", CIFAR10_STATE=str(tmp_path_factory.mktemp("states")))
    return take_outputs(project)


def take_outputs(project: Project) -> dict[str, bytes]:
    taken = {}
    for path in sorted([*project.folder.glob("logs/tune/*/*"), *project.folder.glob("metrics/*-trials.csv")]):
        taken[str(path.relative_to(project.folder))] = path.read_bytes()
        path.unlink()
    return taken


def rows(outputs: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(outputs["logs/tune/broad/trials.csv"].decode().splitlines()))


def start(
    project: Project, search: str = "broad", program: Sequence[str] = ("-m", "pipeline.tune"), **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["python", *program, search],
        cwd=project.folder,
        env=project.environment | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_same_search_gives_the_same_trials_scores_and_winner_and_prunes_losers(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    process = start(project)
    most = 0
    while process.poll() is None:
        most = max(most, len(list(states.glob("*/trial-*.checkpoint"))))
        time.sleep(0.005)
    assert process.returncode == 0, process.communicate()
    assert take_outputs(project) == undisturbed
    # What the second rung of the largest bracket takes, and the one that is running.
    assert 2 <= most <= len([row for row in rows(undisturbed) if row["max_epoch"] == "2" and row["parent"]]) + 2


def test_the_winner_is_the_best_of_the_highest_rung(undisturbed: dict[str, bytes]) -> None:
    winner = json.loads(undisturbed["logs/tune/broad/winner.json"])
    highest = [row for row in rows(undisturbed) if row["max_epoch"] == "4"]
    assert winner["trial"] == max(highest, key=lambda row: float(row["val_accuracy"]))["trial"]
    assert len({row["max_epoch"] for row in rows(undisturbed)}) == 3


def test_a_damaged_winner_is_named(project: Project) -> None:
    path = project.folder / "logs/tune/broad/winner.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"hyperparameters": {"layers": "many"}}')
    (line,) = project.call("winner", "broad", "100").stderr.splitlines()
    shutil.rmtree(path.parent)
    assert line.startswith("winner: logs/tune/broad/winner.json is damaged (")


def test_a_trial_of_a_later_rung_goes_on_from_the_best_of_the_one_before(undisturbed: dict[str, bytes]) -> None:
    by_name = {row["trial"]: row for row in rows(undisturbed)}
    promoted = [row for row in by_name.values() if row["parent"]]
    assert promoted
    for row in promoted:
        parent = by_name[row["parent"]]
        assert int(row["max_epoch"]) > int(parent["max_epoch"])
        assert row["learning_rate"] == parent["learning_rate"]
    first = [row for row in by_name.values() if row["max_epoch"] == "1"]
    kept = {row["parent"] for row in promoted if row["max_epoch"] == "2"} & {row["trial"] for row in first}
    best = sorted(first, key=lambda row: float(row["val_accuracy"]), reverse=True)[: len(kept)]
    assert {row["trial"] for row in best} == kept


def test_a_search_that_is_killed_ends_as_one_that_was_not(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    for trials in (2, 5, 9):
        kill_after(trials, start(project), states)
    project.stage("tune", "broad")
    assert take_outputs(project) == undisturbed
    assert list(states.iterdir()) == []


@pytest.mark.parametrize("damaged", ["oracle", "trial-0001"])
def test_a_state_that_was_cut_short_is_said_and_costs_no_trial(
    project: Project, states: Path, undisturbed: dict[str, bytes], damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(6, start(project), states)
    (path,) = states.glob(f"*/{damaged}.json")
    path.write_bytes(path.read_bytes()[:-10])
    kept = {trial.stem.removeprefix("trial-") for trial in states.glob("*/trial-*.json") if trial != path}
    attempted: list[str] = []
    train = run._Worker._attempt  # noqa: SLF001

    def attempt(worker: Any, name: str, values: Any) -> Any:
        attempted.append(name)
        return train(worker, name, values)

    monkeypatch.setattr(run._Worker, "_attempt", attempt)  # noqa: SLF001
    output = project.stage("tune", "broad")
    assert f"warning: {path.parent} is damaged" in output
    assert take_outputs(project) == undisturbed
    assert len(kept) >= 5
    assert sorted({*attempted, *kept}) == [row["trial"] for row in rows(undisturbed)]
    assert not kept & set(attempted)


def kill_after(trials: int, process: subprocess.Popen[str], states: Path) -> None:
    while len(list(states.glob("*/trial-*.json"))) < trials:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("algorithm", "trials"),
    # Bayesian search begins with three random trials for each axis.
    [("grid", 6), ("random", 6), ("bayesian", 18)],
)
def test_so_does_one_of_another_algorithm(project: Project, states: Path, algorithm: str, trials: int) -> None:
    tiny_search(project, algorithm, trials)
    project.stage("tune", "final")
    undisturbed = take_outputs(project)
    for done in (2, trials - 1):
        kill_after(done, start(project, "final"), states)
    # A record that nothing in the search has led to.
    (state,) = (path for path in states.iterdir() if path.is_dir())
    record = min(state.glob("trial-*.json"))
    forged = record.with_name("trial-99.json")
    forged.write_text(json.dumps(json.loads(record.read_text()) | {"name": "99"}))
    refused = project.call("tune", "final")
    assert (refused.returncode, refused.stderr.count("\n"), take_outputs(project)) == (1, 1, {})
    assert f"tune: {forged} is of a trial that has not ended in this search; no winner is named." in refused.stderr
    forged.unlink()
    project.stage("tune", "final")
    assert take_outputs(project) == undisturbed
    assert len(undisturbed["logs/tune/final/trials.csv"].splitlines()) == 1 + trials


def tiny_search(project: Project, algorithm: str, trials: int) -> None:
    """Let the search "final" have one layer of 8 units and two epochs."""
    rates: object = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3] if algorithm == "grid" else {"min": 1e-4, "max": 1e-2}
    space = {"layers": [1], "units_1": [8], "learning_rate": rates, "dropout": [0], "l2": [0]}
    settings = {"algorithm": algorithm, "max_trials": trials, "max_epochs": 2, "dropout_after": [], "space": space}
    project.set_params(**{f"tune.searches.final.{name}": value for name, value in settings.items()})


def test_a_trial_that_diverges_or_is_too_large_loses_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "total", lambda: 10**8)
    search = "tune.searches.final"
    small = {f"{search}.space.units_1": [8, 4096]} | {f"{search}.space.units_{layer}": [8] for layer in (2, 3)}
    rates = {f"{search}.space.learning_rate": [1e-3, 1e30], "tune.max_epochs": 2, f"{search}.space.l2": [1e-5]}
    project.set_params(**small, **rates)
    output = project.stage("tune", "final")
    assert "the loss is not finite after epoch 1; learning_rate is 1e+30" in output
    winner = json.loads((project.folder / "logs/tune/final/winner.json").read_text())
    # Two that end, two that diverge in their first epoch, and four that are not begun.
    assert (winner["trials"], winner["epochs"]) == (8, 2 * 2 + 2 * 1)
    assert (winner["hyperparameters"]["learning_rate"], winner["hyperparameters"]["units_1"]) == ("0.001", "8")
    # 3072-4096-8-8-10; of a checkpoint's weights and optimiser there are three copies, beside those that are trained.
    assert output.count("layers of 4096, 8, 8 units and batch_size 128 need 0.8 GB of memory") == 4
    assert output.count("allowed here: 0.1 GB") == 4
    outputs = take_outputs(project)
    table = outputs["logs/tune/final/trials.csv"]
    found = [
        (row["units_1"], row["learning_rate"], row["failure"]) for row in csv.DictReader(table.decode().splitlines())
    ]
    assert sorted(set(found)) == [
        ("4096", "0.001", "too large for the machine's memory"),
        ("4096", "1e+30", "too large for the machine's memory"),
        ("8", "0.001", ""),
        ("8", "1e+30", "diverged"),
    ]
    project.stage("tune", "final")
    assert take_outputs(project) == outputs


def test_a_search_of_which_no_trial_can_be_trained_names_no_winner(
    project: Project, states: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "total", lambda: 10**5)
    ended = project.call("tune", "final")
    assert (ended.returncode, ended.stderr) == (
        1,
        "tune: none of 8 trials could be trained, the first because: too large for the machine's memory\n",
    )
    assert take_outputs(project) == {}


def test_a_full_disk_stops_a_search_in_one_line_and_it_goes_on_where_there_is_room(
    project: Project, small_disk: tuple[Path, str]
) -> None:
    space = {"layers": [1], "units_1": [8], "learning_rate": [1e-3, 1e-2], "dropout": [0], "l2": [0]}
    project.set_params(**{"tune.searches.final.space": space, "tune.searches.final.dropout_after": []})
    folder, reason = small_disk
    filler = folder / "filler"
    if reason == "No space left on device":
        with pytest.raises(OSError, match=reason), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        stopped = project.call("tune", "final", CIFAR10_STATE=str(folder))
        (line,) = (line for line in stopped.stderr.splitlines() if not line.startswith("warning: "))
        assert (stopped.returncode, stopped.stderr.count("Traceback")) == (1, 0)
        assert line.startswith(f"tune: {folder}/cifar10-dense-study/")
        assert line.endswith(f"/oracle.json: {reason}")
        assert take_outputs(project) == {}
        filler.unlink()
    project.stage("tune", "final", CIFAR10_STATE=str(folder))
    assert len(take_outputs(project)["logs/tune/final/trials.csv"].splitlines()) == 3


def cluster(tuner: str, port: int) -> dict[str, str]:
    return {
        "KERASTUNER_TUNER_ID": tuner,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
        "CIFAR10_WORKER_TIMEOUT": "120",
    }


def test_a_chief_and_two_workers_of_which_each_kind_is_killed_and_started_again(
    project: Project, states: Path, undisturbed: dict[str, bytes]
) -> None:
    port = free_port()
    chief = start(project, **cluster("chief", port))
    workers = [start(project, **cluster(f"worker-{number}", port)) for number in (1, 2)]
    while len(list(states.glob("*/trial-*.json"))) < 2:
        assert chief.poll() is None, chief.communicate()
        time.sleep(0.01)
    workers[0].send_signal(signal.SIGKILL)
    workers[0].communicate()
    workers[0] = start(project, **cluster("worker-1", port))
    kill_after(4, chief, states)
    chief = start(project, **cluster("chief", port))
    for process in (*workers, chief):
        printed = process.communicate(timeout=240)
        assert process.returncode == 0, printed
        assert not any(line.isdigit() for line in printed[0].splitlines()), printed
    outputs = take_outputs(project)
    assert [row["trial"] for row in rows(outputs)] == [row["trial"] for row in rows(undisturbed)]
    assert list(states.iterdir()) == []


# A worker that sleeps after every batch, and is killed in its second epoch.
SLOW_WORKER = """
import os, signal, sys, time
from pipeline import tune
from pipeline.console import command
from pipeline.search import run

class Slow(run.CompiledEpoch):
    def __init__(self, *words):
        super().__init__(*words, piece_products=1)

    def train(self, seed, val_losses, start):
        for progress in super().train(seed, val_losses, start):
            if val_losses and progress.batches == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(float(os.environ["SECONDS"]))
            yield progress

run.CompiledEpoch = Slow
sys.argv = ["tune", sys.argv[1]]
command.run(tune.main)
"""


@pytest.mark.parametrize(("algorithm", "seconds"), [("random", 1.5), ("bayesian", 0)])
def test_a_worker_keeps_its_trial_through_a_long_epoch_and_when_it_is_killed_another_takes_it(
    project: Project, states: Path, algorithm: str, seconds: float
) -> None:
    """A stranger who ends every trial meanwhile is refused, and changes nothing."""
    tiny_search(project, algorithm, 3)
    project.stage("tune", "final")
    undisturbed = take_outputs(project)
    port = free_port()
    timing = {"CIFAR10_WORKER_TIMEOUT": "8", "SECONDS": str(seconds)}
    chief = start(project, "final", **cluster("chief", port) | timing)
    slow = start(project, "final", ["-c", SLOW_WORKER], **cluster("worker-1", port) | timing)
    while not ongoing(states):
        assert chief.poll() is None, chief.communicate()
        time.sleep(0.05)
    assert set(end_every_trial(port)) == {grpc.StatusCode.UNAUTHENTICATED}
    output = project.stage("tune", "final", **cluster("worker-2", port) | timing)
    assert slow.wait() == -signal.SIGKILL
    if seconds:
        # The first epoch took longer than the time-out: its worker was left to it, and the other went on after that.
        assert "trial 0: continues after epoch 1" in output
    printed = chief.communicate(timeout=60)
    assert chief.returncode == 0, printed
    assert take_outputs(project) == undisturbed


def ongoing(states: Path) -> list[str]:
    """The workers that train, as the chief has written it down."""
    return [
        worker
        for path in states.glob("*/oracle.json")
        for worker in json.loads(path.read_text())["oracle"]["ongoing_trials"]
    ]


def test_a_chief_without_workers_ends_with_a_clear_message(project: Project) -> None:
    chief = project.call("tune", "broad", **cluster("chief", free_port()) | {"CIFAR10_WORKER_TIMEOUT": "3"})
    assert chief.returncode == 1
    assert "no worker was heard of for 3 s" in chief.stderr
    assert take_outputs(project) == {}


def test_a_worker_of_another_search_is_refused(project: Project) -> None:
    port = free_port()
    chief = start(project, **cluster("chief", port))
    worker = project.call("tune", "final", **cluster("worker-1", port))
    assert worker.returncode == 1
    assert worker.stderr.startswith(
        f"tune: the chief at 127.0.0.1:{port} runs another search, or keeps its checkpoints"
    )
    elsewhere = cluster("worker-1", port) | {"CIFAR10_STATE": str(project.folder / "elsewhere")}
    worker = project.call("tune", "broad", **elsewhere)
    assert "or keeps its checkpoints elsewhere than" in worker.stderr
    second = project.call("tune", "final", **cluster("chief", port))
    assert second.returncode == 1
    assert "allowed: an address of this machine and a port that is free" in second.stderr
    chief.terminate()
    _, errors = chief.communicate(timeout=30)
    assert chief.returncode == 128 + signal.SIGTERM
    assert errors == "tune: stopped; the state is saved: run the same command again to continue\n"


def test_a_worker_that_waits_for_its_chief_can_be_stopped(project: Project) -> None:
    worker = start(project, **cluster("worker-1", free_port()))
    # What a process that has set its handlers for signals says of it: a bit each.
    while not caught(worker.pid) >> (signal.SIGTERM - 1) & 1:
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.05)
    worker.terminate()
    _, errors = worker.communicate(timeout=10)
    assert worker.returncode == 128 + signal.SIGTERM
    assert "tune: stopped while waiting for the chief at" in errors


def caught(pid: int) -> int:
    """The signals that a process handles, a bit each."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"KERASTUNER_ORACLE_PORT": ""}, "KERASTUNER_ORACLE_PORT is not set; a search by several processes needs"),
        ({"KERASTUNER_ORACLE_PORT": "99999"}, "KERASTUNER_ORACLE_PORT is 99999; allowed: 1 to 65535"),
        ({"CIFAR10_WORKER_TIMEOUT": "5m"}, "CIFAR10_WORKER_TIMEOUT is 5m; allowed: a number of seconds above 0"),
    ],
)
def test_a_wrong_variable_is_named(project: Project, changes: dict[str, str], message: str) -> None:
    ended = project.call("tune", "broad", **cluster("chief", free_port()) | changes)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert message in ended.stderr
