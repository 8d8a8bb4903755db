"""``make repro JOBS=N``: `dvc repro` with N stages beside each other; with SCHEDULER, on the workers of a Dask cluster.

DVC's graph decides what runs and in what order, DVC itself runs every stage and writes dvc.lock; so models, logs,
metrics and lock are those of a serial `dvc repro`.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.console import command
from pipeline.files.names import counted
from pipeline.params import reading
from pipeline.params.reading import Params
from pipeline.runtime.signals import Stopped, stop_request
from tools import cluster, jobs, times, work
from tools.estimate import Estimate, spoken
from tools.graph import Graph
from tools.runner import Place, Result, Runner, alone
from tools.screen import Screen
from tools.stage_process import StageProcess


@dataclass(frozen=True)
class Here:
    """Stages run on this machine, in this work tree."""

    graph: Graph
    jobs: int
    inherited: Sequence[int]
    here: bool = True

    def start(self, stage: str) -> StageProcess:
        """Start a stage in processes of its own."""
        return StageProcess(stage, log_of(self.graph, stage), self.graph.root, self.inherited)


def log_of(graph: Graph, stage: str) -> Path:
    """Where the output of a stage goes."""
    return graph.temporary / "stages" / f"{quote(stage, safe='@')}.log"


def estimate_of(graph: Graph, params: Params) -> Estimate:
    """How long each stage will take, by what it took before on this machine and by what it multiplies."""
    data = work.data_set(params)
    products = {name: work.of_stage(graph.words(name), params, data) for name in graph.needs}
    return Estimate(products, params.train.threads, times.read())


def tell(result: Result, graph: Graph, seconds: float, say: Screen) -> None:
    """Say what became of all stages, and of each that failed its line."""
    say.say(
        f"{counted(len(result.ran), 'stage')} ran, {len(result.cached)} came from the run cache, "
        f"{len(result.unchanged)} were unchanged, {len(result.failed)} failed, {len(result.left_out)} were left out; "
        f"{spoken(seconds)}"
    )
    for name, line in result.failed.items():
        say.say(f"failed: {name}: {line} ({log_of(graph, name).relative_to(graph.root)} has all that it printed)")
        left_out = sorted(other for other, cause in result.left_out.items() if cause == name)
        if left_out:
            say.say(f"left out, because they need it: {', '.join(left_out)}")


def main(number: str, scheduler: str = "") -> None:
    """Run all stale stages, as many beside each other as ``number`` says, on the workers of ``scheduler`` if given."""
    began = time.monotonic()
    params = reading.load(*reading.SECTIONS)
    count = jobs.count(number, params.train.threads)
    screen = Screen()
    graph = Graph()
    with alone(graph.temporary / "parallel.lock", screen.say) as held:
        runner = Runner(graph, screen)
        if not runner.waiting:
            screen.say("Data and pipelines are up to date.")
            return
        here = Here(graph, count, (held,))
        where: AbstractContextManager[Place] = nullcontext(here)
        if scheduler:
            where = cluster.connected(scheduler, graph, params.train, here.start, screen.say)
        elif warning := jobs.crowd(count, params.train.threads):
            screen.say(warning)
        with where as place, stop_request() as stop:
            result = runner.run(place, estimate_of(graph, params), stop)
    tell(result, graph, time.monotonic() - began, screen)
    if result.stopped is not None:
        raise Stopped(result.stopped, "stopped; the same command continues where the stages were")
    if result.failed:
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
