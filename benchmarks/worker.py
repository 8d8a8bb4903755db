"""A program in a process of its own, and what runs there.

python -m benchmarks.worker NETWORK PROGRAM WIDTHS IMAGES prints the seconds of an epoch for every line on stdin, at the
end the peak memory in MB.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks import convolutional, dense

PROGRAMS: Mapping[str, Mapping[str, Callable[[list[int], int], Callable[[], object]]]] = {
    "dense": dense.PROGRAMS,
    "convolutional": convolutional.PROGRAMS,
}


class Worker:
    """A program in a process of its own."""

    def __init__(self, network: str, program: str, widths: Sequence[int], images: int) -> None:
        words = [sys.executable, "-m", "benchmarks.worker", network, program, ",".join(map(str, widths)), str(images)]
        self._name = f"{network} {program}"
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
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name} has ended with exit code {self._process.wait()} and no answer")
        return float(line)


def main(network: str, program: str, widths: str, images: str) -> None:
    """Serve epochs until stdin ends."""
    epoch = PROGRAMS[network][program]([int(width) for width in widths.split(",") if width], int(images))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, file=answers, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
