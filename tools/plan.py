"""``make plan``: what is stale and why, and what bringing it up to date takes in time, disk and download."""

import functools
import os
from collections.abc import Collection, Mapping
from statistics import fmean

from rich.console import Console
from rich.table import Column, Table

from pipeline.console import command
from pipeline.files.artefacts import read_json
from pipeline.files.names import counted
from pipeline.images.download import without_password
from pipeline.params import reading
from pipeline.params.reading import Params
from pipeline.runtime import fingerprints
from tools import estimate, jobs, work
from tools.estimate import Estimate, spoken
from tools.graph import BusyError, Graph
from tools.parallel import estimate_of

_ARCHIVE = "CIFAR10_ARCHIVE"
_REASONS = 3
_FINGERPRINT = "fingerprint"


def why(graph: Graph) -> dict[str, str]:
    """Why each stage runs that is stale, or that follows one which is, in DVC's order."""
    found: dict[str, str] = {}
    for name in graph.needs:
        try:
            reasons = graph.reasons(name)
        except BusyError as error:
            reasons = [f"has to wait: {error}"]
        # New fingerprints can be computed without running that stage.
        if _FINGERPRINT in found and _code_changed(_kind(name)):
            reasons.append("its code or libraries changed")
        causes = sorted({_kind(needed) for needed in graph.needs[name] & found.keys()} - {_FINGERPRINT})
        if causes and not reasons:
            reasons = [f"follows {', '.join(causes)}"]
        if reasons:
            more = [f"and {len(reasons) - _REASONS} more"] if len(reasons) > _REASONS else []
            found[name] = "; ".join([*reasons[:_REASONS], *more])
    return found


def _kind(name: str) -> str:
    return name.partition("@")[0]


@functools.cache
def _code_changed(kind: str) -> bool:
    if kind not in fingerprints.STAGES:
        return False
    path = fingerprints.path_of(kind)
    return not path.exists() or read_json(path) != fingerprints.locked(kind)


def stage_table(reasons: Mapping[str, str], cached: Collection[str], seconds: Mapping[str, float]) -> Table:
    """A row for each group of stages that run for the same reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, reason in reasons.items():
        text = f"{reason}; comes from the run cache" if name in cached else reason
        groups.setdefault((_kind(name), text), []).append(name)
    columns = (
        Column("stages", no_wrap=True),
        Column("time", no_wrap=True, justify="right"),
        Column("why", overflow="fold"),
    )
    rows = Table(*columns, box=None, pad_edge=False)
    for (kind, text), names in groups.items():
        stages = names[0] if len(names) == 1 else f"{kind}, {len(names)} stages"
        rows.add_row(stages, spoken(sum(seconds[name] for name in names)), text)
    return rows


def duration(graph: Graph, seconds: Mapping[str, float], count: int, outlook: Estimate) -> str:
    """How long it takes, and by what that is known."""
    path = max(estimate.longest_paths(graph.needs, seconds).values())
    beside = f"{spoken(estimate.duration(graph.needs, seconds, count))} with JOBS={count}, " if count > 1 else ""
    timed = sum(name in outlook.before for name in seconds)
    return (
        f"about {spoken(sum(seconds.values()))} one after another, {beside}no less than {spoken(path)} with any JOBS. "
        f"{timed} of these stages were timed on this machine; others are estimated from their multiplications, "
        f"{outlook.speed / 1e9:.0f} billion a second, and take less where they stop early."
    )


def disk(graph: Graph, names: Collection[str]) -> str:
    """What the stages will write, by what they, or others of their kind, wrote before."""
    recorded = {name: size for name in graph.needs if (size := graph.recorded_bytes(name)) is not None}
    total, unknown = 0.0, 0
    for name in names:
        alike = [size for other, size in recorded.items() if _kind(other) == _kind(name)]
        total += recorded[name] if name in recorded else fmean(alike or [0])
        unknown += not alike
    text = f"about {total / 1e6:,.0f} MB in the work tree, and as much in DVC's cache where it copies"
    return f"{text}; not counted: {counted(unknown, 'stage')}, of whose kind none has run" if unknown else text


def download(params: Params, fetches: bool) -> str:
    """What fetch will download."""
    entry = work.known(params)
    if not fetches or entry is None or entry.address is None:
        return "none"
    if os.environ.get(_ARCHIVE):
        return f"what {_ARCHIVE} names: {without_password(os.environ[_ARCHIVE])}"
    return f"at most {entry.largest / 1e6:,.0f} MB from {entry.address}"


def main(word: str) -> None:
    """Say what `make repro` would run, beside each other as ``word`` says."""
    params = reading.load(*reading.SECTIONS)
    count = jobs.count(word, params.train.threads)
    graph = Graph()
    with graph.locked():
        reasons = why(graph)
    if not reasons:
        print("Data and pipelines are up to date.")
        return
    # As far as it is known before others have run.
    cached = {name for name in reasons if not graph.needs[name] & reasons.keys() and graph.cached(name)}
    outlook = estimate_of(graph, params)
    outlook.cached |= cached
    seconds = {name: outlook.seconds(name) for name in reasons}
    facts = {
        "stages": f"{len(reasons)} of {len(graph.needs)}, {len(cached)} of them from the run cache",
        "time": duration(graph, seconds, count, outlook),
        "disk": disk(graph, reasons.keys() - cached),
        "download": download(params, "fetch" in reasons and "fetch" not in cached),
    }
    summary = Table.grid("", Column(overflow="fold"), padding=(0, 2))
    for name, text in facts.items():
        summary.add_row(name, text)
    console = Console(highlight=False, markup=False)
    console.print(stage_table(reasons, cached, seconds))
    console.print()
    console.print(summary)
    if any(reason.startswith("follows ") for reason in reasons.values()):
        console.print("\nA stage that follows others is skipped where these come out as they were.")


if __name__ == "__main__":
    command.run(main)
