"""The folder that a person works in, also where DVC runs an experiment in a folder of its own."""

from pathlib import Path

# Where `dvc exp run --temp` and queue workers run, within the work tree that they were started from.
_EXPERIMENTS = Path(".dvc/tmp/exps")


def is_temporary(folder: Path) -> bool:
    """Whether DVC made ``folder`` for one experiment."""
    return work_tree(folder) != folder


def work_tree(folder: Path) -> Path:
    """The work tree that ``folder`` belongs to: itself, unless DVC made it for one experiment."""
    return next((root for root in folder.parents if folder.is_relative_to(root / _EXPERIMENTS)), folder)
