"""Stages beside each other: `dvc repro`, one job at two threads, two jobs at one; and the study's time on many cores.

    python -m benchmarks.parallel compare digits          # the graph of digits, three times in turn
    python -m benchmarks.parallel compare dense           # the small dense stages on the real images
    python -m benchmarks.parallel cores                   # a table, by the times of the stages that ran on this machine

Each comparison runs in a clone of HEAD in a temporary folder, from nothing but what preprocess gives, and prints JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from dvc.utils.serialize import modify_yaml

from pipeline.params import reading
from tools import estimate
from tools.estimate import spoken
from tools.graph import Graph
from tools.parallel import estimate_of

REPETITIONS = 3
# Jobs (None: `dvc repro`) and threads of each.
WAYS: Mapping[str, tuple[int | None, int]] = {
    "dvc repro, 2 threads": (None, 2),
    "1 job, 2 threads": (1, 2),
    "2 jobs, 1 thread": (2, 1),
}
CORES = (2, 4, 16, 64)
FIRST = "preprocess"


def _digits(params: Any) -> None:
    params["fetch"]["dataset"] = "digits"
    params["train"]["epochs"] = 10
    params["beyond"]["widths"] = [8]
    for section in (params["beyond"], *params["beyond"]["runs"].values()):
        if "epochs" in section:
            section["epochs"] = 2
    # Few runs of each kind and two trials.
    for name in [name for name, run in params["beyond"]["runs"].items() if run.get("compared_with")]:
        del params["beyond"]["runs"][name]
    del params["scale"]["architectures"]["deep"]
    final = params["tune"]["searches"]["final"]
    params["tune"].update(max_epochs=3, searches={"final": final})
    final["space"].update(dropout=[0.15], l2=[6e-5])
    first = next(iter(params["folds"].values()))["run"]
    params["ablation"]["runs"] = {first: params["ablation"]["runs"][first]}
    folds = {f"{first}-{fold}": {"group": "ablation", "run": first, "fold": fold, "of": 2} for fold in (1, 2)}
    params["folds"] = folds


def _dense(params: Any) -> None:
    params["train"]["epochs"] = 3
    del params["scale"]["architectures"]["deep"]
    params["ablation"]["runs"] = {"l2-1e-5": {"l2": 1e-5}}
    params["tune"]["searches"] = {"final": params["tune"]["searches"]["final"]}
    params["folds"] = {}


# What each comparison changes in params.yaml, and the kinds of its stages (None: all).
COMPARISONS = {"digits": (_digits, None), "dense": (_dense, ("baseline", "scale", "regularise", "ablation"))}


def compare(name: str) -> dict[str, Any]:
    """Seconds of one comparison, in turn, and those that the runner adds to each stage; the data are made before."""
    change, kinds = COMPARISONS[name]
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        prepared, clone = Path(folder, "prepared"), Path(folder, "study")
        # What this machine's owner has measured stays as it is.
        environment = {"XDG_CACHE_HOME": folder, "CIFAR10_STATE": folder}
        _run(Path.cwd(), "git", "clone", "--quiet", ".", str(prepared))
        with modify_yaml(str(prepared / "params.yaml")) as params:
            change(params)
            params["train"]["seeds"] = [100]
        _run(prepared, "dvc", "repro", "--quiet", FIRST, **environment)
        stages = _only(prepared, kinds)
        for _ in range(REPETITIONS):
            for way, (jobs, threads) in WAYS.items():
                shutil.copytree(prepared, clone, symlinks=True)
                with modify_yaml(str(clone / "params.yaml")) as params:
                    params["train"]["threads"] = threads
                words = ("dvc", "repro") if jobs is None else (sys.executable, "-m", "tools.parallel", str(jobs))
                began = time.monotonic()
                _run(clone, *words, **environment)
                seconds[way].append(round(time.monotonic() - began, 1))
                shutil.rmtree(clone)
    medians = {way: median(found) for way, found in seconds.items()}
    serial, alone, _ = medians.values()
    return {"stages": stages, "seconds": seconds, "median": medians, "runner": round((alone - serial) / stages, 2)}


def _only(clone: Path, kinds: tuple[str, ...] | None) -> int:
    """Leave only the first stages and those of ``kinds`` in dvc.yaml; how many stages will run."""
    path = clone / "dvc.yaml"
    if kinds is not None:
        with modify_yaml(str(path)) as content:
            for stage in set(content["stages"]) - {"fingerprint", "fetch", FIRST, *kinds}:
                del content["stages"][stage]
            # Files that no stage writes any more.
            del content["artifacts"]
    words = ("dvc", "stage", "list", "--name-only")
    listed = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=True)
    return len(listed.stdout.split()) - 3


def _run(folder: Path, *words: str, **environment: str) -> None:
    subprocess.run(words, cwd=folder, env=os.environ | environment, check=True, stdout=sys.stderr)


def cores() -> str:
    """The whole study by cores: all stages from nothing, by what they took here or what they multiply."""
    params = reading.load(*reading.SECTIONS)
    graph = Graph()
    outlook = estimate_of(graph, params)
    seconds = {name: outlook.seconds(name) for name in graph.needs}
    measured = sum(name in outlook.before for name in seconds)
    lines = [f"{measured} of {len(seconds)} stages were timed on this machine, at {outlook.threads} threads.", ""]
    lines += ["| cores | jobs | time |", "|---:|---:|---:|"]
    for count in CORES:
        jobs = max(1, count // max(1, outlook.threads))
        lines.append(f"| {count} | {jobs} | {spoken(estimate.duration(graph.needs, seconds, jobs))} |")
    chain = " -> ".join(f"{name} ({spoken(seconds[name])})" for name in critical_path(graph, seconds))
    return "\n".join([*lines, "", f"The longest chain, {spoken(max(_paths(graph, seconds).values()))}: {chain}."])


def critical_path(graph: Graph, seconds: Mapping[str, float]) -> list[str]:
    """The stages of the chain that takes longest, which no number of cores shortens."""
    paths = _paths(graph, seconds)
    chain = [max(paths, key=lambda name: paths[name])]
    while followers := graph.followers[chain[-1]]:
        chain.append(max(followers, key=lambda name: paths[name]))
    return chain


def _paths(graph: Graph, seconds: Mapping[str, float]) -> dict[str, float]:
    return estimate.longest_paths(graph.needs, seconds)


def main(what: str, *names: str) -> None:
    """Print one comparison, or the table of cores."""
    if shutil.which("dvc") is None:
        sys.exit("parallel: no dvc here; . .venv/bin/activate first")
    if what == "cores":
        print(cores())
        return
    if what != "compare" or not names or set(names) - set(COMPARISONS):
        allowed = ", ".join(f"compare {name}" for name in COMPARISONS)
        sys.exit(f"parallel: got {' '.join([what, *names])!r}; allowed: {allowed}, cores")
    print(json.dumps({name: compare(name) for name in names}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
