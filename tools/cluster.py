"""Stages on the workers of a Dask cluster: each runs in a worker's own clone, and comes here by the run cache."""

import logging
import math
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.files.errors import UserError
from pipeline.params.training import TrainParams
from pipeline.runtime import sources
from tools import cluster_worker, jobs
from tools.graph import Graph
from tools.runner import Running

# TensorFlow for GPUs is another distribution than that for processors alone, and gives other bytes.
_LIBRARIES = (*sorted({"dvc", "distributed", "tensorflow-cpu", *sources.LIBRARIES.values()}),)
_CONNECT_SECONDS = 15
_LIST_SECONDS = 1.0
# Starts a stage on this machine.
Start = Callable[[str], Running]
# Exit codes of a stage that never came back, and of one that was called off.
_LOST, _CALLED_OFF = 1, 130


class Cluster:
    """The accepted workers behind one scheduler; made by :func:`connected`."""

    here = False

    def __init__(
        self, client: Any, graph: Graph, train: TrainParams, start: Start, say: Callable[[str], None], token: str
    ) -> None:
        self._client, self._graph, self._start, self._say = client, graph, start, say
        self.resources: dict[str, int] = {"threads": train.threads}
        if train.device == "gpu":
            self.resources["GPU"] = 1
        # Why each worker cannot be used, by its address.
        self._refusals: dict[str, str | None] = {}
        self._known: dict[str, Mapping[str, Any]] = {}
        self._listed = -math.inf
        self._had_jobs = False
        self._lines: dict[str, str] = {}
        # Stages that are being taken from the run cache here.
        self.arriving: set[str] = set()
        client.subscribe_topic(cluster_worker.TOPIC, self._take_line)
        self._token = token
        self._mine = cluster_worker.identity(_LIBRARIES, token)

    @property
    def jobs(self) -> int:
        """How many stages the accepted workers run beside each other, by their threads and resources."""
        jobs = sum(self._room(worker) for worker in self._accepted().values())
        if not jobs and self._had_jobs:
            self._say("warning: no worker is left that can be used; waiting for one")
        self._had_jobs = jobs > 0
        return jobs

    def start(self, stage: str) -> Running:
        """Hand a stage to a worker; one that the run cache cannot keep runs here."""
        return RemoteStage(self, stage) if self._graph.in_run_cache(stage) else self._start(stage)

    def submit(self, stage: str) -> tuple[Any, list[str]] | None:
        """A future of the stage, and the addresses of the workers that may run it; None while there is no worker."""
        workers = list(self._accepted())
        if not workers:
            return None
        future = self._client.submit(
            # A lambda travels as it is, a function of a module by its name.
            lambda stage, needs: cluster_worker.run_stage(stage, needs),
            stage,
            sorted(self._graph.needs[stage]),
            key=f"{stage}-{uuid.uuid4().hex}",
            resources=self.resources,
            workers=workers,
            pure=False,
        )
        return future, workers

    def alive(self, workers: Sequence[str]) -> bool:
        """Whether one of ``workers`` is still there."""
        return bool(self._workers().keys() & set(workers))

    def arrive(self, stage: str) -> Running | None:
        """Take the stage from the run cache, or None while as many arrive as this machine has cores."""
        if len(self.arriving) >= jobs.cores():
            return None
        self.arriving.add(stage)
        return self._start(stage)

    def line(self, stage: str) -> str:
        """The latest line of a stage that runs on a worker."""
        return self._lines.get(stage, "")

    def check(self) -> None:
        """Compare all workers with this clone and its cache. Raises :class:`UserError` where none can be used."""
        if not self._workers():
            raise UserError("SCHEDULER: no worker is there; start some, each in a clone of its own")
        if not self._accepted():
            raise UserError(f"SCHEDULER: no worker can be used: {next(filter(None, self._refusals.values()))}")
        if not any(map(self._room, self._accepted().values())):
            wanted = ",".join(f"{name}={number}" for name, number in self.resources.items())
            raise UserError(f"SCHEDULER: no worker offers what a stage needs: --resources {wanted}, or a multiple")

    def _accepted(self) -> dict[str, Mapping[str, Any]]:
        return {address: worker for address, worker in self._workers().items() if self._accept(address)}

    def _accept(self, address: str) -> bool:
        """Whether a worker matches this clone; says once why one does not."""
        if address not in self._refusals:
            try:
                python = self._client.get_versions()["workers"][address]["host"]["python"].split(".")[:2]
                if python != list(platform.python_version_tuple()[:2]):
                    # It could not read what identity is made of.
                    theirs = {"folder": address, "Python": ".".join(python)}
                else:
                    found = self._client.run(cluster_worker.identity, _LIBRARIES, self._token, workers=[address])
                    theirs = found[address]
            except (OSError, KeyError):
                # It has gone.
                return False
            self._refusals[address] = difference(self._mine, theirs)
            if self._refusals[address]:
                self._say(f"warning: {self._refusals[address]}")
        return self._refusals[address] is None

    def _workers(self) -> dict[str, Mapping[str, Any]]:
        if time.monotonic() - self._listed >= _LIST_SECONDS:
            self._known, self._listed = dict(self._client.scheduler_info()["workers"]), time.monotonic()
        return self._known

    def _room(self, worker: Mapping[str, Any]) -> int:
        offered = worker.get("resources", {})
        return int(min(worker["nthreads"], *(offered.get(name, 0) // count for name, count in self.resources.items())))

    def _take_line(self, event: Any) -> None:
        _, message = event
        self._lines[message["stage"]] = message["line"]


class RemoteStage:
    """A stage that a worker runs, and that this machine then takes from the run cache."""

    def __init__(self, cluster: Cluster, stage: str) -> None:
        self._cluster, self._stage = cluster, stage
        self._task = cluster.submit(stage)
        self._result: dict[str, Any] = {}
        self._local: Running | None = None
        self._stopped = False

    def poll(self) -> int | None:
        """The exit code, or None while the stage is on its way."""
        if self._local is not None:
            code = self._local.poll()
            if code is not None:
                self._cluster.arriving.discard(self._stage)
            return code
        if self._stopped:
            return _CALLED_OFF
        if self._task is None:
            self._task = self._cluster.submit(self._stage)
            return None
        future, workers = self._task
        match future.status:
            case "pending":
                if not self._cluster.alive(workers):
                    future.cancel()
                    self._task = None
            case "finished":
                self._result = self._result or future.result()
                if self._result["code"]:
                    return int(self._result["code"])
                self._local = self._cluster.arrive(self._stage)
            case status:
                failure = f"its task was {status}"
                if status == "error":
                    error = future.exception()
                    failure = f"{type(error).__name__}: {error}"
                self._result = {"failure": failure, "log": "", "ran": False}
                return _LOST
        return None

    def stop(self, number: int) -> None:
        """Call the stage off: its worker lets it save its state."""
        self._stopped = True
        if self._local is not None:
            self._local.stop(number)
        if self._task is not None:
            self._task[0].cancel()

    def line(self) -> str:
        """The latest line that it has printed on its worker."""
        return self._cluster.line(self._stage)

    def failure(self) -> str:
        """The line that says why it failed, and where."""
        if self._local is not None:
            return self._local.failure()
        return " on ".join(filter(None, (self._result["failure"], self._result["log"])))

    def ran(self) -> bool:
        """Whether a worker ran its program: else it was in the run cache already."""
        return bool(self._result["ran"])


def difference(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str | None:
    """A line that says in what a worker is not like this clone; None where it is."""
    refused = f"the worker in {theirs['folder']} is refused"
    if mine["folder"] == theirs["folder"]:
        return f"{refused}: that is the caller's own folder; allowed: a clone of its own"
    for name in (*mine, *sorted(theirs.keys() - mine.keys())):
        here, there = mine.get(name, "none"), theirs.get(name, "none")
        if name == "cache" and here != there:
            return f"{refused}: its cache {there} is another than the caller's"
        if name != "folder" and here != there:
            return f"{refused}: its {name} is {there}, and the caller's {here}"
    return None


@contextmanager
def connected(
    address: str, graph: Graph, train: TrainParams, start: Start, say: Callable[[str], None]
) -> Iterator[Cluster]:
    """The cluster of the scheduler at ``address``.

    Raises :class:`UserError` where nothing answers there, or where no worker is like this clone.
    """
    if not train.threads:
        raise UserError(
            "train.threads is 0, all cores; allowed with SCHEDULER: a number, because the bytes depend on it"
        )
    try:
        import cloudpickle
        from distributed import Client
    except ImportError:
        raise UserError("SCHEDULER needs dask.distributed; 'make .venv' installs it") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    cloudpickle.register_pickle_by_value(cluster_worker)
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"SCHEDULER is {address}: no scheduler answers there ({error})") from None
    token = graph.cache / f"cluster-{uuid.uuid4().hex}"
    try:
        token.parent.mkdir(parents=True, exist_ok=True)
        token.touch()
        cluster = Cluster(client, graph, train, start, say, token.name)
        cluster.check()
        yield cluster
    finally:
        token.unlink(missing_ok=True)
        client.close()
