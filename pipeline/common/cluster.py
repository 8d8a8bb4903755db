"""One search by several processes: Keras Tuner's chief, which chooses the trials, and its workers, which train them.

Who a process is follows from Keras Tuner's variables: KERASTUNER_TUNER_ID ("chief", or a name of the worker's own),
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT. All share the folder that CIFAR10_STATE names.
"""

import os
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from pipeline.common.command import UserError
from pipeline.common.stopping import Stopped, StopRequest
from pipeline.common.tuner import OracleClient, OracleServicer, grpc, has_chief_oracle, is_chief_oracle, protos

TUNER_ID = "KERASTUNER_TUNER_ID"

# A worker that was not heard of for so long is taken for lost, and its trial given to another. It reports every epoch.
LOST_SECONDS = float(os.environ.get("CIFAR10_WORKER_TIMEOUT", "300"))


def is_chief() -> bool:
    """Whether this process chooses trials for workers."""
    return bool(is_chief_oracle())


def is_worker() -> bool:
    """Whether this process trains trials that a chief chooses."""
    return bool(has_chief_oracle()) and not is_chief()


class _Object:
    """What Keras Tuner's client asks of the oracle that it stands for: nothing that we use."""

    objective = max_trials = None
    allow_new_entries = tune_new_entries = False


def client() -> Any:
    """The chief's oracle, as a worker sees it."""
    return OracleClient(_Object())


def sign_of_life(oracle: Any, trial: str) -> None:
    """Tell the chief that ``trial`` is still being trained; without a chief, nothing."""
    if is_worker():
        oracle.get_trial(trial)


class _Servicer(OracleServicer):  # type: ignore[misc]
    """Answers workers, and notes when each was last heard of."""

    def __init__(self, oracle: Any) -> None:
        super().__init__(oracle)
        self.heard: dict[str, float] = {}
        self.last_heard = time.monotonic()

    def CreateTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker asks for a trial."""
        self._note(request.tuner_id)
        self._reclaim()
        return super().CreateTrial(request, context)

    def GetTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker's sign of life."""
        for tuner, trial in list(self.oracle.ongoing_trials.items()):
            if trial.trial_id == request.trial_id:
                self._note(tuner)
        return super().GetTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A trial has ended; if it had been given to another worker and ended there, this one counts for nothing."""
        if self.oracle.trials[request.trial.trial_id].status == "COMPLETED":
            return protos.get_service().EndTrialResponse()
        return super().EndTrial(request, context)

    def _note(self, tuner: str) -> None:
        self.heard[tuner] = self.last_heard = time.monotonic()

    def _reclaim(self) -> None:
        """Put the trials of lost workers back into the queue."""
        for tuner in list(self.oracle.ongoing_trials):
            if time.monotonic() - self.heard.get(tuner, 0.0) > LOST_SECONDS:
                self.oracle.take_back(tuner)


def serve(oracle: Any, watch: Callable[[], None], stop: StopRequest) -> None:
    """Answer workers until the search has ended. ``watch`` is called every second.

    Raises :class:`UserError` when no worker was heard of for LOST_SECONDS, and :class:`Stopped` after a signal; either
    way the search can be continued.
    """
    address = f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = _Servicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        raise UserError(f"KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT are {address}, which is not free") from None
    server.start()
    try:
        while not (servicer.stop_triggered and not oracle.ongoing_trials and not oracle.tuner_ids):
            time.sleep(1)
            watch()
            if stop.number is not None:
                raise Stopped(stop.number, "stopped; the state is saved: run the same command again to continue")
            silence = time.monotonic() - servicer.last_heard
            if servicer.stop_triggered and not oracle.ongoing_trials and silence > LOST_SECONDS:
                return
            if silence > LOST_SECONDS:
                raise UserError(
                    f"no worker was heard of for {LOST_SECONDS:.0f} s at {address}; the state is saved: "
                    "run the same command again, and start workers with 'make tune-worker'"
                )
    finally:
        server.stop(grace=1).wait()
