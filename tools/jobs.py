"""How many stages run beside each other: a number, or as many as the processor has cores for."""

import os
import sys

from pipeline.console import command
from pipeline.files.errors import UserError
from pipeline.params import reading


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count(word: str, threads: int) -> int:
    """How many jobs ``word`` means, where each has ``threads`` threads (0: all cores).

    "auto": cores divided by threads. Raises :class:`UserError` for what is neither that nor a number from 1 on.
    """
    if word == "auto":
        return max(1, cores() // threads) if threads else 1
    if not word.isdecimal() or int(word) < 1:
        raise UserError(f"JOBS is {word}; allowed: auto, or a number from 1 on")
    return int(word)


def crowd(jobs: int, threads: int) -> str | None:
    """A warning where ``jobs`` of ``threads`` threads want more cores than there are."""
    wanted = jobs * (threads or cores())
    if wanted <= cores():
        return None
    each = f"train.threads {threads}" if threads else "train.threads 0, all cores"
    return f"warning: {jobs} jobs with {each} want {wanted} cores, and {cores()} are here: they slow each other down"


def main(word: str) -> None:
    """Print how many jobs ``word`` means here."""
    threads = reading.load("train").train.threads
    jobs = count(word, threads)
    if warning := crowd(jobs, threads):
        print(warning, file=sys.stderr)
    print(jobs)


if __name__ == "__main__":
    command.run(main)
