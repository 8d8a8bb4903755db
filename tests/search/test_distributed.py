"""A chief that listens at a real port, and who may speak to it. What the processes of a search do: test_search.py."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.files.errors import UserError
from pipeline.runtime.signals import Stopped, StopRequest
from pipeline.search import distributed
from pipeline.search.oracles import OBJECTIVE, oracle
from pipeline.search.tuner import grpc, protos
from tests.params.changed import load


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    port = free_port()
    monkeypatch.setenv(distributed.TUNER_ID, "worker-1")
    monkeypatch.setenv(distributed.IP, "127.0.0.1")
    monkeypatch.setenv(distributed.PORT, str(port))
    monkeypatch.setenv(distributed.TIMEOUT, "60")
    return port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "states" / "key").mkdir(parents=True)
    return tmp_path / "states" / "key"


@contextmanager
def chief(chooser: Any, folder: Path) -> Iterator[None]:
    stop = StopRequest()

    def serve() -> None:
        with pytest.raises(Stopped):
            distributed.serve(chooser, folder, lambda: None, stop)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.number = 15
        thread.join()


def chooser_of(tmp_path: Path, folder: Path, algorithm: str = "random", trials: int = 2) -> Any:
    return oracle(load(tmp_path, "final", algorithm=algorithm, max_trials=trials), folder, lambda names: None)


def end_every_trial(port: int, *metadata: tuple[str, str]) -> list[Any]:
    """What a stranger tries: the codes of the refusals."""
    stub = protos.get_service_grpc().OracleStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    messages, codes = protos.get_service(), []
    for trial in ("0", "1"):
        ended = protos.get_proto().Trial(trial_id=trial, status=protos.get_proto().TrialStatus.Value("COMPLETED"))
        for call, request in (
            (stub.GetSpace, messages.GetSpaceRequest()),
            (stub.CreateTrial, messages.CreateTrialRequest(tuner_id=f"stranger-{trial}")),
            (stub.UpdateTrial, messages.UpdateTrialRequest(trial_id=trial, metrics={OBJECTIVE: 0.999}, step=1)),
            (stub.EndTrial, messages.EndTrialRequest(trial=ended)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(request, metadata=metadata, wait_for_ready=True, timeout=20)
            codes.append(refused.value.code())
    return codes


def test_who_does_not_know_the_token_changes_nothing(tmp_path: Path, folder: Path, port: int) -> None:
    chooser = chooser_of(tmp_path, folder)
    with chief(chooser, folder):
        for metadata in ([], [("token", "")], [("token", "0" * 64)]):
            assert set(end_every_trial(port, *metadata)) == {grpc.StatusCode.UNAUTHENTICATED}
        assert (chooser.trials, chooser.tuner_ids) == ({}, set())
        worker = distributed.Chief(folder, StopRequest())
        trial = worker.create_trial("worker-1")
        worker.update_trial(trial.trial_id, {OBJECTIVE: 0.5}, 1)
        trial.status = "COMPLETED"
        worker.end_trial(trial)
    assert chooser.scores() == {"0": 0.5}
    token = folder / "token"
    assert (token.stat().st_mode & 0o777, len(token.read_text())) == (0o600, 64)


def test_the_chief_listens_at_its_own_address_alone(tmp_path: Path, folder: Path, port: int) -> None:
    with chief(chooser_of(tmp_path, folder), folder):
        distributed.Chief(folder, StopRequest()).create_trial("worker-1")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize(
    ("token", "why"), [(None, "{} is missing; chief and workers"), ("0" * 64, "it refused the token in {}; chief")]
)
def test_a_worker_that_is_refused_says_why(
    tmp_path: Path, folder: Path, port: int, token: str | None, why: str
) -> None:
    own = tmp_path / "elsewhere" / "key"
    own.mkdir(parents=True)
    if token:
        (own / "token").write_text(token)
    with chief(chooser_of(tmp_path, folder), folder), pytest.raises(UserError) as refused:
        distributed.Chief(own, StopRequest()).create_trial("worker-1")
    message = str(refused.value)
    assert message.startswith(f"the chief at 127.0.0.1:{port} runs another search, or keeps its checkpoints elsewhere")
    assert why.format(own / "token") in message
    assert "\n" not in message


def test_a_worker_waits_for_its_chief_and_outlives_it(tmp_path: Path, folder: Path, port: int) -> None:
    """It asks before there is a token, and goes on with the token of a chief that was started again."""
    worker, asked = distributed.Chief(folder, StopRequest()), []
    waiting = threading.Thread(target=lambda: asked.append(worker.create_trial("worker-1").trial_id))
    waiting.start()
    time.sleep(0.5)
    with chief(chooser_of(tmp_path, folder), folder):
        waiting.join()
        token = (folder / "token").read_text()
    began = time.monotonic()
    worker.heartbeat("0")
    assert time.monotonic() - began < 1
    with chief(chooser_of(tmp_path, folder), folder):
        assert worker.create_trial("worker-1").trial_id == "0"
    assert asked == ["0"]
    assert (folder / "token").read_text() != token


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_the_last_trial_of_a_lost_worker_is_given_to_another(
    tmp_path: Path, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    monkeypatch.setenv(distributed.TIMEOUT, "2")
    chooser = chooser_of(tmp_path, folder, algorithm, 1)
    with chief(chooser, folder):
        worker = distributed.Chief(folder, StopRequest())
        last = worker.create_trial("worker-1").trial_id
        # A worker that reports keeps its trial.
        reports_until, found = time.monotonic() + 3, []
        while (trial := worker.create_trial("survivor")).status != "STOPPED":
            if trial.status == "IDLE":
                if time.monotonic() < reports_until:
                    worker.heartbeat(last)
                time.sleep(0.1)
                continue
            assert time.monotonic() > reports_until
            found.append(trial.trial_id)
            worker.update_trial(trial.trial_id, {OBJECTIVE: 0.5}, 1)
            trial.status = "COMPLETED"
            worker.end_trial(trial)
    assert found == [last] == list(chooser.scores())


def test_of_two_workers_with_one_name_the_first_is_told_so_and_ends(tmp_path: Path, folder: Path, port: int) -> None:
    """Else both would train every trial. The second may be the first that was killed and started again."""
    first, second = (distributed.Chief(folder, StopRequest()) for _ in range(2))
    with chief(chooser_of(tmp_path, folder), folder):
        assert first.create_trial("worker-1").trial_id == second.create_trial("worker-1").trial_id == "0"
        for call in (lambda: first.heartbeat("0"), lambda: first.create_trial("worker-1")):
            with pytest.raises(UserError, match="KERASTUNER_TUNER_ID is worker-1, and another process works under"):
                call()
        second.heartbeat("0")
        assert second.create_trial("worker-1").trial_id == "0"
