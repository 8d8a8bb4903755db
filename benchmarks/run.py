"""``make bench``: every program on every network, epoch by epoch in turn; writes results.json and results.md.

python -m benchmarks.run "256, 128, 64" ...    # these rows alone: prints their medians
"""

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import bound, convolutional, dense
from benchmarks.worker import PROGRAMS, Worker
from pipeline.files.artefacts import write_text
from pipeline.runtime.fingerprints import installed
from pipeline.training import devices


class Row(NamedTuple):
    """What all programs train: a network of these ``widths``, on so many ``images`` an epoch."""

    network: str
    widths: list[int]
    images: int


DENSE = {
    "baseline": Row("dense", [], 40_000),
    "256, 128, 64": Row("dense", [256, 128, 64], 40_000),
    "512, 256, 128, 64": Row("dense", [512, 256, 128, 64], 40_000),
    "1024, 1024, 512, 256": Row("dense", [1024, 1024, 512, 256], 40_000),
}
CONVOLUTIONAL = {
    "widths 32, 64, 64": Row("convolutional", [32, 64, 64], 10_000),
    "widths 64, 256, 256": Row("convolutional", [64, 256, 256], 2_000),
}
ROWS = DENSE | CONVOLUTIONAL
BOUND, HALVED_BOUND = "lower bound", "lower bound, bfloat16"
# Of a larger machine the others would take more than ours, which has train.threads.
CORES = 2
REPETITIONS = 5
# Epochs before the measured ones: denormal numbers appear in the third.
WARM_UP = 3
SCALES = (0.25, 0.5, 1, 2, 4)
FOLDER = Path(__file__).parent


def measure(row: Row) -> dict[str, dict[str, Any]]:
    """Times and memory of every program that has a place on this row; the lower bound is measured in turn with them."""
    left_out = {"seeds"} if row == ROWS["256, 128, 64"] else {"seeds", "scikit-learn"}
    if row.network == "convolutional" and not devices.multiplies_bfloat16():
        # Emulated, an epoch takes eight times as long as in float32 and says nothing of the programs.
        left_out |= {HALVED_BOUND, *(name for name in PROGRAMS[row.network] if "bfloat16" in name)}
    workers = {
        name: Worker(row.network, name, row.widths, row.images)
        for name in PROGRAMS[row.network]
        if name not in left_out
    }
    for worker in workers.values():
        for _ in range(WARM_UP):
            worker.epoch()
    bounds: dict[str, Callable[[], float]] = {BOUND: partial(bound.dense_epoch, row.widths, row.images)}
    if row.network == "convolutional":
        bounds = {
            name: partial(bound.convolutional_epoch, row.widths, row.images, dtype)
            for name, dtype in ((BOUND, "float32"), (HALVED_BOUND, "bfloat16"))
            if name not in left_out
        }
    times: dict[str, list[float]] = {name: [] for name in (*workers, *bounds)}
    for _ in range(REPETITIONS):
        for name, worker in workers.items():
            times[name].append(round(worker.epoch(), 4))
        for name, least in bounds.items():
            times[name].append(round(least(), 4))
    cells: dict[str, dict[str, Any]] = {name: {"median": median(times[name]), "times": times[name]} for name in times}
    for name, worker in workers.items():
        cells[name]["peak_mb"] = round(worker.end())
    return cells


def scaling() -> dict[str, float]:
    """Median seconds of our epoch for a quarter to four times the images, at 256, 128, 64."""
    network, widths, images = ROWS["256, 128, 64"]
    result = {}
    for scale in SCALES:
        worker = Worker(network, "ours", widths, int(images * scale))
        for _ in range(WARM_UP):
            worker.epoch()
        result[str(scale)] = round(median(worker.epoch() for _ in range(REPETITIONS)), 4)
        worker.end()
    return result


def seeds() -> list[float]:
    """Seconds of four seeds of five epochs, one after the other in a process, compilation included, at 256, 128, 64."""
    network, widths, images = ROWS["256, 128, 64"]
    worker = Worker(network, "seeds", widths, images)
    times = [round(worker.epoch(), 4) for _ in range(4)]
    worker.end()
    return times


def machine() -> str:
    """What the figures were measured on."""
    about = dict(re.findall(r"^(model name|flags)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    instructions = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if name in about.get("flags", "").split()]
    model = f"{about.get('model name', '')} ({', '.join(instructions) or 'no AVX512'})"
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(
        f"{name} {installed(name)}" for name in ("tensorflow", "keras", "torch", "scikit-learn", "numpy")
    )
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{model}, {cores} cores, {system}, {versions}"


def tables(results: dict[str, Any], labels: Mapping[str, Row], programs: Sequence[str]) -> str:
    """Two tables with a column for each of the rows ``labels``: seconds of all ``programs``, and how they compare."""
    rows = {label: results["rows"][label] for label in labels}
    head = [f"| program | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
    seconds = []
    for name in (*programs, BOUND, HALVED_BOUND):
        cells = [row.get(name) for row in rows.values()]
        if any(cells):
            seconds.append(f"| {name} | {' | '.join(_cell(cell) for cell in cells)} |")
    ratios = []
    for own, halved, least in (("ours", False, BOUND), ("ours, bfloat16", True, HALVED_BOUND)):
        others = [name for name in programs if not name.startswith("ours")]
        same_precision = [name for name in others if ("bfloat16" in name) == halved]
        rivals = {"notebook": ["notebook"], "PyTorch": ["PyTorch"]}
        rivals["the fastest other" + " in bfloat16" * halved] = same_precision
        for rival, names in rivals.items():
            found = [_times_faster(row, names, own) for row in rows.values()]
            if any(found):
                ratios.append(f"| {own} against {rival} | {' | '.join(found)} |")
        multiples = [_times_faster(row, [own], least) for row in rows.values()]
        if any(multiples):
            ratios.append(f"| {own}, as a multiple of the lower bound | {' | '.join(multiples)} |")
    return "\n".join([*head, *seconds, "", "How many times faster:", "", *head, *ratios])


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    memory = f" ({cell['peak_mb']})" if "peak_mb" in cell else ""
    return f"{cell['median']:.2f}{memory}"


def _times_faster(row: dict[str, dict[str, Any]], others: Sequence[str], own: str) -> str:
    medians = [row[name]["median"] for name in others if name in row]
    return f"{min(medians) / row[own]['median']:.2f}" if medians and own in row else ""


def document(results: dict[str, Any]) -> str:
    """results.md."""
    images = DENSE["baseline"].images
    scales = ", ".join(f"{scale} times: {seconds:.2f} s" for scale, seconds in results["scaling"].items())
    seconds_of_seeds = ", ".join(f"{seconds:.1f} s" for seconds in results["seeds"])
    sizes = ", ".join(f"{row.images:,} at {label}" for label, row in CONVOLUTIONAL.items())
    halved = any("ours, bfloat16" in results["rows"][label] for label in CONVOLUTIONAL)
    no_bfloat16 = "" if halved else " The processor has no bfloat16 instructions: none was trained in bfloat16."
    return "\n\n".join(
        [
            "# Seconds per epoch",
            "Images of CIFAR-10, validation of a quarter as many included; medians of "
            f"{REPETITIONS} epochs after {WARM_UP} others, all programs in turn in one run; in brackets the peak "
            "memory of the process in MB. Checkpoints are not included: one takes 0.3 s at the largest dense network "
            "and is written after an epoch or ten seconds, whichever is longer. How the design of ours came about is "
            "in [designs.md](designs.md).",
            results["machine"],
            f"Dense networks: {images:,} images, Adam, batches of {dense.BATCH}.",
            tables(results, DENSE, list(dense.PROGRAMS)),
            f"Ours at 256, 128, 64 by number of images ({images:,} times): {scales}.",
            f"Four seeds of five epochs there, one after the other, compilation included: {seconds_of_seeds}.",
            "Convolutional networks, in the manner of Jordan (2024): Nesterov's momentum, batches of "
            f"{convolutional.BATCH}, images: {sizes}. The bound has the convolutions alone.{no_bfloat16}",
            tables(results, CONVOLUTIONAL, list(convolutional.PROGRAMS)) + "\n",
        ]
    )


def main(*labels: str) -> None:
    """Measure all and write both files, or print some rows."""
    if unknown := [label for label in labels if label not in ROWS]:
        sys.exit(f"run: there is no row {unknown[0]!r}; allowed: {', '.join(ROWS)}")
    # Of every program and of the bound, which take all cores that they see.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    rows = {}
    for label in labels or ROWS:
        started = time.perf_counter()
        rows[label] = measure(ROWS[label])
        print(f"{label}: measured in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if labels:
        print(json.dumps(rows, indent=1))
        return
    results = {"machine": machine(), "rows": rows, "scaling": scaling(), "seeds": seeds()}
    write_text(FOLDER / "results.json", json.dumps(results, indent=2) + "\n")
    write_text(FOLDER / "results.md", document(results))
    print(document(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
