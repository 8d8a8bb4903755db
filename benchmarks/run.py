"""``make bench``: every program on every architecture, epoch by epoch in turn; writes results.json and results.md."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import benchmarks.bound
from benchmarks.programs import PROGRAMS

ROWS = {
    "baseline": [],
    "256, 128, 64": [256, 128, 64],
    "512, 256, 128, 64": [512, 256, 128, 64],
    "1024, 1024, 512, 256": [1024, 1024, 512, 256],
}
BOUND = "lower bound"
IMAGES = 40_000
REPETITIONS = 5
# Epochs before the measured ones: denormal numbers appear in the third.
WARM_UP = 3
SCALES = (0.25, 0.5, 1, 2, 4)
FOLDER = Path(__file__).parent


class Worker:
    """A program in a process of its own."""

    def __init__(self, program: str, units: list[int], images: int) -> None:
        words = [sys.executable, "-m", "benchmarks.programs", program, ",".join(map(str, units)), str(images)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def epoch(self) -> float:
        """Seconds of one epoch."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> float:
        """End the process and return its peak memory in MB."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


def row(units: list[int]) -> dict[str, dict[str, Any]]:
    """Times and memory of every program that has a place on this row; the lower bound is measured in turn with them."""
    names = [name for name in PROGRAMS if name != "scikit-learn" or units == ROWS["256, 128, 64"]]
    workers = {name: Worker(name, units, IMAGES) for name in names}
    for worker in workers.values():
        for _ in range(WARM_UP):
            worker.epoch()
    times: dict[str, list[float]] = {name: [] for name in (*names, BOUND)}
    for _ in range(REPETITIONS):
        for name, worker in workers.items():
            times[name].append(round(worker.epoch(), 4))
        times[BOUND].append(round(benchmarks.bound.epoch(units, IMAGES), 4))
    cells: dict[str, dict[str, Any]] = {name: {"median": median(times[name]), "times": times[name]} for name in times}
    for name, worker in workers.items():
        cells[name]["peak_mb"] = round(worker.end())
    return cells


def scaling() -> dict[str, float]:
    """Median seconds of our epoch for a quarter to four times the images, at 256, 128, 64."""
    result = {}
    for scale in SCALES:
        worker = Worker("ours", ROWS["256, 128, 64"], int(IMAGES * scale))
        worker.epoch()
        result[str(scale)] = round(median(worker.epoch() for _ in range(REPETITIONS)), 4)
        worker.end()
    return result


def seeds() -> list[float]:
    """Seconds of four seeds of five epochs, one after the other in a process, compilation included, at 256, 128, 64."""
    worker = Worker("seeds", ROWS["256, 128, 64"], IMAGES)
    times = [round(worker.epoch(), 4) for _ in range(4)]
    worker.end()
    return times


def machine() -> str:
    """What the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "keras", "torch", "scikit-learn", "numpy")
    )
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{model}, {cores} cores, {system}, {versions}"


def document(results: dict[str, Any]) -> str:
    """results.md."""
    lines = [
        "# Seconds per epoch",
        f"{IMAGES:,} images of CIFAR-10, batch 128, validation of {IMAGES // 4:,} images included; medians of "
        f"{REPETITIONS} epochs after {WARM_UP} others, all programs in turn in one run; in brackets the peak memory of "
        "the process in MB. Ours does not "
        "write here the state to resume from: 0.3 s at the largest network, after an epoch or ten seconds, whichever "
        "is longer. How its design came about is in [designs.md](designs.md).",
        results["machine"],
        "| program | " + " | ".join(ROWS) + " |",
        "|---" * (len(ROWS) + 1) + "|",
    ]
    table = []
    for name in PROGRAMS:
        cells = [
            f"{cell['median']:.2f} ({cell['peak_mb']})" if (cell := results["rows"][label].get(name)) else ""
            for label in ROWS
        ]
        table.append(f"| {name} | " + " | ".join(cells) + " |")
    bounds = [f"{results['rows'][label][BOUND]['median']:.2f}" for label in ROWS]
    table.append(f"| {BOUND} | " + " | ".join(bounds) + " |")

    def seconds(label: str, *programs: str) -> float:
        return float(min(results["rows"][label][name]["median"] for name in programs if name in results["rows"][label]))

    rivals = [name for name in PROGRAMS if not name.startswith("ours") and "bfloat16" not in name]
    halved = [name for name in PROGRAMS if not name.startswith("ours") and "bfloat16" in name]
    ratios = []
    for own, others in (
        ("ours", {"notebook": ["notebook"], "PyTorch": ["PyTorch"], "the fastest other": rivals}),
        (
            "ours, bfloat16",
            {"notebook": ["notebook"], "PyTorch": ["PyTorch"], "the fastest other in bfloat16": halved},
        ),
    ):
        for name, programs in others.items():
            cells = [f"{seconds(label, *programs) / seconds(label, own):.2f}" for label in ROWS]
            ratios.append(f"| {own} against {name} | " + " | ".join(cells) + " |")
    cells = [f"{seconds(label, 'ours') / seconds(label, BOUND):.2f}" for label in ROWS]
    ratios.append("| ours, as a multiple of the lower bound | " + " | ".join(cells) + " |")
    scales = ", ".join(f"{scale} times: {seconds:.2f} s" for scale, seconds in results["scaling"].items())
    seconds_of_seeds = ", ".join(f"{seconds:.1f} s" for seconds in results["seeds"])
    return (
        "\n\n".join(lines[:3])
        + "\n\n"
        + "\n".join(lines[3:] + table)
        + "\n\nHow many times faster:\n\n"
        + "\n".join([*lines[3:], *ratios])
        + f"\n\nOurs at 256, 128, 64 by number of images ({IMAGES:,} times): {scales}.\n\n"
        f"Four seeds of five epochs there, one after the other, compilation included: {seconds_of_seeds}.\n"
    )


def main() -> None:
    """Measure all and write both files."""
    results = {
        "machine": machine(),
        "rows": {label: row(units) for label, units in ROWS.items()},
        "scaling": scaling(),
        "seeds": seeds(),
    }
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "results.md").write_text(document(results))
    print(document(results))


if __name__ == "__main__":
    main()
