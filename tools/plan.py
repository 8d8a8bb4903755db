"""``make plan``: what is stale and why, and what bringing it up to date takes in time, disk and download."""

import os
from collections.abc import Collection, Mapping
from statistics import fmean

from pipeline.console import command
from pipeline.params import reading
from pipeline.params.reading import Params
from pipeline.reporting.markdown import table
from tools import estimate, jobs, work
from tools.estimate import spoken
from tools.graph import BusyError, Graph
from tools.parallel import estimate_of

_ARCHIVE = "CIFAR10_ARCHIVE"
_REASONS = 3


def why(graph: Graph) -> dict[str, list[str]]:
    """The reasons of each stage that is stale, or that follows one which is, in DVC's order."""
    found: dict[str, list[str]] = {}
    for name in graph.needs:
        try:
            reasons = graph.reasons(name)
        except BusyError as error:
            reasons = [f"is being made: {error}"]
        # What a stale stage makes may come out as it was.
        reasons = reasons or [f"if {needed} changes" for needed in sorted(graph.needs[name] & set(found))]
        if reasons:
            found[name] = reasons
    return found


def from_run_cache(graph: Graph, stale: Collection[str]) -> set[str]:
    """Of ``stale`` those that DVC will take from its run cache, as far as that is known before others have run."""
    return {name for name in stale if not graph.needs[name] & set(stale) and graph.cached(name)}


def stage_table(reasons: Mapping[str, list[str]], cached: Collection[str], seconds: Mapping[str, float]) -> str:
    """A row for each group of stages that are stale for the same reasons."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, found in reasons.items():
        more = [f"and {len(found) - _REASONS} more"] if len(found) > _REASONS else []
        text = "; ".join([*found[:_REASONS], *more])
        if name in cached:
            text += "; comes from the run cache"
        groups.setdefault((name.partition("@")[0], text), []).append(name)
    rows = [
        [
            names[0] if len(names) == 1 else f"{kind}@…, {len(names)} stages",
            text,
            spoken(sum(seconds[name] for name in names)),
        ]
        for (kind, text), names in groups.items()
    ]
    return table(["stage", "why", "time"], rows)


def disk(graph: Graph, names: Collection[str]) -> str:
    """What the stages will write, by what they, or others of their kind, wrote before."""
    recorded = {name: size for name in graph.needs if (size := graph.recorded_bytes(name)) is not None}
    total, unknown = 0.0, 0
    for name in names:
        alike = [size for other, size in recorded.items() if other.partition("@")[0] == name.partition("@")[0]]
        total += recorded[name] if name in recorded else fmean(alike or [0])
        unknown += not alike
    text = f"about {total / 1e6:,.0f} MB in the work tree, and in DVC's cache again unless it links"
    return f"{text}; of {unknown} stages that never ran it is not known" if unknown else text


def download(params: Params, fetches: bool) -> str:
    """What fetch will download."""
    entry = work.known(params)
    if not fetches or entry is None or entry.address is None:
        return "none"
    if os.environ.get(_ARCHIVE):
        return f"what {_ARCHIVE} names: {os.environ[_ARCHIVE]}"
    return f"at most {entry.largest / 1e6:,.0f} MB from {entry.address}"


def main(word: str) -> None:
    """Say what `make repro` would run, beside each other as ``word`` says."""
    params = reading.load(*reading.SECTIONS)
    count = jobs.count(word, params.train.threads)
    graph = Graph()
    reasons = why(graph)
    if not reasons:
        print("Data and pipelines are up to date.")
        return
    cached = from_run_cache(graph, reasons)
    outlook = estimate_of(graph, params)
    outlook.cached |= cached
    seconds = {name: outlook.seconds(name) for name in reasons}
    path = estimate.longest_paths(graph.needs, seconds)
    print(stage_table(reasons, cached, seconds))
    print(
        f"\nstages: {len(reasons)} of {len(graph.needs)}, {len(cached)} of them from the run cache"
        f"\ntime: about {spoken(sum(seconds.values()))} one after another, "
        f"{spoken(estimate.duration(graph.needs, seconds, count))} with JOBS={count}, "
        f"{spoken(max(path.values()))} at the least"
    )
    if outlook.speed is None:
        print(
            f"      (no stage was timed here yet: {estimate.ASSUMED_SPEED / 1e9:.0f} billion multiplications a second"
        )
        print("      and thread are assumed)")
    print(f"disk: {disk(graph, [name for name in reasons if name not in cached])}")
    print(f"download: {download(params, 'fetch' in reasons and 'fetch' not in cached)}")


if __name__ == "__main__":
    command.run(main)
