"""Markdown: tables, what stands in their cells, and names of the user's own."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from pipeline.evaluation.intervals import Interval

SMALLEST_P = 0.0001


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text: all columns but the first are aligned to the right.

    A line end in a cell becomes a space, and a ``|`` is escaped where it is not yet, so that each stays one cell.
    """
    header, rows = [_cell(text) for text in header], [[_cell(text) for text in row] for row in rows]
    alignment = ["left", *["right"] * (len(header) - 1)]
    text = tabulate(rows, header, tablefmt="pipe", colalign=alignment if rows else None, disable_numparse=True)
    return str(text)


def _cell(text: str) -> str:
    # An even number of backslashes escapes only itself.
    return re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", " ".join(text.splitlines()))


def interval(bounds: Interval | None) -> str:
    """A cell for the interval of a difference; empty where it cannot be computed."""
    return f"{bounds[0]:+.4f} to {bounds[1]:+.4f}" if bounds else ""


def magnitude(number: float) -> str:
    """A cell for a number whose magnitude counts, with three digits."""
    return f"{number:.2e}"


def probability(p: float | None) -> str:
    """A cell for a p; empty where it cannot be computed."""
    if p is None:
        return ""
    return f"{p:.4f}" if p >= SMALLEST_P else f"< {SMALLEST_P}"


def escaped(name: str) -> str:
    """``name`` as it is, whatever its characters mean in Markdown and in the formulas of GitHub."""
    # An underscore within a word emphasises nothing.
    return re.sub(r"[\\`*\[\]<>|$~&]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", name)
