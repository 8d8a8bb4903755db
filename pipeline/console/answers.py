"""How the answers to images are printed: in columns on a screen, complete and separated by tabs into a pipe."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipeline.files.artefacts import DECIMALS
from pipeline.files.names import printable


def write(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each of ``entries``: its "file", then its "classes", each with its "probability".

    On a screen long names continue on the next line.
    """
    if sys.stdout is None:
        # Closed by the caller, so that nobody reads.
        return
    if sys.stdout.isatty():
        Console(highlight=False).print(_columns(entries))
        return
    for entry in entries:
        chances = (f"{printable(found['class'])}\t{found['probability']:.{DECIMALS}f}" for found in entry["classes"])
        print(_encodable("\t".join([printable(entry["file"]), *chances])))


def _columns(entries: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column(header, overflow="fold") for header in ("image", "classes, most probable first")]
    table = Table(*columns, box=None)
    for entry in entries:
        chances = (f"{printable(found['class'])} {found['probability']:.3f}" for found in entry["classes"])
        # Brackets in a name are no markup.
        table.add_row(*(Text(_encodable(text)) for text in (printable(entry["file"]), "  ".join(chances))))
    return table


def _encodable(text: str) -> str:
    """``text`` with escapes for what the encoding of stdout lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
