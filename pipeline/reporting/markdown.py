"""Markdown tables."""

from collections.abc import Sequence

from tabulate import tabulate


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text: all columns but the first are aligned to the right."""
    alignment = ["left", *["right"] * (len(header) - 1)]
    text = tabulate(rows, header, tablefmt="pipe", colalign=alignment if rows else None, disable_numparse=True)
    return str(text)
