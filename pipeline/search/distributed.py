"""One search by several processes: Keras Tuner's chief, which chooses the trials, and its workers, which train them.

The role of a process follows from Keras Tuner's variables: KERASTUNER_TUNER_ID ("chief", or a name of the worker's
own), KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT. All share the folder that CIFAR10_STATE names. There the chief
leaves a token that every call must carry: whoever reaches the port, but cannot read the folder, is refused.
"""

import math
import os
import re
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

from pipeline.files.errors import UserError
from pipeline.runtime.signals import Stopped, StopRequest
from pipeline.search.tokens import TokenCheck, TokenSender, new_token, process
from pipeline.search.tuner import TIMEOUT_SECONDS, OracleClient, OracleServicer, grpc, protos

TUNER_ID, IP, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
TIMEOUT = "CIFAR10_WORKER_TIMEOUT"

# The chief is slow, or not there.
_SILENCE = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)

_AGAIN = "the state is saved: run the same command again to continue"


def address() -> str | None:
    """Where the chief listens, or None where this process searches alone.

    Raises :class:`UserError` where some of the variables are missing, the port is none, or a worker's name has "chief".
    """
    given = {name: os.environ.get(name, "") for name in (TUNER_ID, IP, PORT)}
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if missing:
        raise UserError(f"{missing[0]} is not set; a search by several processes needs {TUNER_ID}, {IP} and {PORT}")
    if not re.fullmatch("[0-9]{1,5}", given[PORT]) or not 0 < int(given[PORT]) < 2**16:
        raise UserError(f"{PORT} is {given[PORT]}; allowed: 1 to {2**16 - 1}")
    if "chief" in given[TUNER_ID] and given[TUNER_ID] != "chief":
        raise UserError(f"{TUNER_ID} is {given[TUNER_ID]}; allowed: chief, or a name without that word")
    return f"{given[IP]}:{given[PORT]}"


def is_chief() -> bool:
    """Whether this process chooses trials for workers."""
    return address() is not None and "chief" in os.environ[TUNER_ID]


def is_worker() -> bool:
    """Whether this process trains trials that a chief chooses."""
    return address() is not None and not is_chief()


def lost_seconds() -> float:
    """Seconds of silence after which a worker or the chief counts as lost. A worker reports about once a second.

    CIFAR10_WORKER_TIMEOUT, else 300. Raises :class:`UserError` where that is no positive number.
    """
    text = os.environ.get(TIMEOUT, "300")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{TIMEOUT} is {text}; allowed: a number of seconds above 0")
    return seconds


class _Object:
    """The oracle that Keras Tuner's client wants; it reads these attributes, and we use none of them."""

    objective = max_trials = None
    allow_new_entries = tune_new_entries = False


class Chief:
    """The chief's oracle, as a worker sees it that shares ``folder`` with it.

    All methods but :meth:`heartbeat` wait for a chief that is slow, not there yet or started again. They raise
    :class:`UserError` when it was not heard of for :func:`lost_seconds` or refuses the token in ``folder``, and
    :class:`Stopped` after a signal. A question that was asked twice does no harm: a worker has one trial at a time, and
    a trial ends once.
    """

    def __init__(self, folder: Path, stop: StopRequest) -> None:
        self._client, self._stop, self._token = OracleClient(_Object()), stop, TokenSender(folder)
        channel = grpc.intercept_channel(grpc.insecure_channel(address()), self._token)
        self._client.stub = protos.get_service_grpc().OracleStub(channel)

    def create_trial(self, tuner: str) -> Any:
        """The trial that ``tuner`` is to train next."""
        return self._ask(self._client.create_trial, tuner)

    def update_trial(self, name: str, metrics: dict[str, float], step: int) -> None:
        """Report what a trial reached."""
        self._ask(self._client.update_trial, name, metrics, step)

    def end_trial(self, trial: Any) -> None:
        """Report that ``trial`` has ended."""
        self._ask(self._client.end_trial, trial)

    def heartbeat(self, name: str) -> None:
        """Report that the trial ``name`` is still being trained; a chief that is not there is no reason to stop."""
        try:
            self._client.stub.GetTrial(protos.get_service().GetTrialRequest(trial_id=name), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            self._raise_unless_silent(error)

    def _ask(self, question: Callable[..., Any], *words: Any) -> Any:
        began = time.monotonic()
        while True:
            try:
                return question(*words)
            except grpc.RpcError as error:
                self._raise_unless_silent(error)
            if self._stop.number is not None:
                raise Stopped(self._stop.number, f"stopped while waiting for the chief at {address()}; {_AGAIN}")
            if time.monotonic() - began > lost_seconds():
                raise UserError(
                    f"the chief at {address()} was not heard of for {lost_seconds():.0f} s; start it, then this again"
                )
            time.sleep(0.1)

    def _raise_unless_silent(self, error: grpc.RpcError) -> None:
        """Raise :class:`UserError` where the chief has answered, and to ask again would be of no use."""
        if error.code() in _SILENCE:
            return
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            raise UserError(
                f"{TUNER_ID} is {os.environ[TUNER_ID]}, and another process works under that name; "
                "allowed: a name of each worker's own"
            ) from None
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise UserError(f"the chief at {address()} failed: {error.details()}") from None
        path, sent = self._token.path, self._token.sent
        if self._token.read() != sent:
            # The call waited for a chief to start, or to start again, and carried what was there before.
            return
        raise UserError(
            f"the chief at {address()} runs another search, or keeps its checkpoints elsewhere than "
            f"{path.parent.parent}: {f'it refused the token in {path}' if sent else f'{path} is missing'}; "
            "chief and workers need the same search, params.yaml, code, data, kind of device and CIFAR10_STATE"
        ) from None


class _Servicer(OracleServicer):  # type: ignore[misc]
    """Answers workers, and notes when each was last heard of."""

    def __init__(self, oracle: Any) -> None:
        super().__init__(oracle)
        self.last_heard = time.monotonic()
        # Workers that outlived an earlier chief go on with what it gave them.
        self.last_heard_of = dict.fromkeys(oracle.ongoing_trials, self.last_heard)
        self._process_of: dict[str, str] = {}
        self._replaced: set[str] = set()

    def CreateTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker asks for a trial; if another process worked under its name, it takes that one's place."""
        self._refuse_replaced(context)
        before = self._process_of.get(request.tuner_id, process(context))
        self._process_of[request.tuner_id] = process(context)
        self._replaced |= {before} - {process(context)}
        self._heard(request.tuner_id)
        self._reclaim()
        return super().CreateTrial(request, context)

    def GetTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker's heartbeat."""
        self._refuse_replaced(context)
        for tuner, trial in list(self.oracle.ongoing_trials.items()):
            if trial.trial_id == request.trial_id:
                self._heard(tuner)
        return super().GetTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A trial has ended; if it had been given to another worker and ended there, this one counts for nothing."""
        if self.oracle.trials[request.trial.trial_id].status == "COMPLETED":
            return protos.get_service().EndTrialResponse()
        return super().EndTrial(request, context)

    def _refuse_replaced(self, context: Any) -> None:
        if process(context) in self._replaced:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "another process works under this one's name")

    def _heard(self, tuner: str) -> None:
        self.last_heard_of[tuner] = self.last_heard = time.monotonic()

    def _reclaim(self) -> None:
        """Put the trials of lost workers back into the queue."""
        for tuner in list(self.oracle.ongoing_trials):
            if time.monotonic() - self.last_heard_of.get(tuner, 0.0) > lost_seconds():
                self.oracle.requeue(tuner)


def serve(oracle: Any, folder: Path, watch: Callable[[], None], stop: StopRequest) -> None:
    """Answer workers, who find the checkpoints and the token in ``folder``, until the search has ended.

    ``watch`` is called every second. Raises :class:`UserError` when the address cannot be had or no worker was heard of
    for :func:`lost_seconds`, and :class:`Stopped` after a signal; either way the search can be continued.
    """
    own_address = address()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=1),
        interceptors=[TokenCheck(new_token(folder))],
        # By default a second chief could listen at the same port, and each would get some of the workers.
        options=[("grpc.so_reuseport", 0)],
    )
    servicer = _Servicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(own_address)
    except RuntimeError:
        raise UserError(
            f"{IP} and {PORT} are {own_address}; allowed: an address of this machine and a port that is free"
        ) from None
    server.start()
    try:
        while not (servicer.stop_triggered and not oracle.ongoing_trials and not oracle.tuner_ids):
            time.sleep(1)
            watch()
            if stop.number is not None:
                raise Stopped(stop.number, f"stopped; {_AGAIN}")
            silence = time.monotonic() - servicer.last_heard
            if servicer.stop_triggered and not oracle.ongoing_trials and silence > lost_seconds():
                return
            if silence > lost_seconds():
                raise UserError(
                    f"no worker was heard of for {lost_seconds():.0f} s at {own_address}; the state is saved: "
                    "run the same command again, and start workers with 'make tune-worker'"
                )
    finally:
        server.stop(grace=1).wait()
