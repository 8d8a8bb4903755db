"""How figures and tables write class names: as they are, or by number where a figure cannot tell them apart."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font

from pipeline.reporting.markdown import escaped

# Matplotlib's own, so that figures have the same bytes wherever they are drawn. It has no Chinese, Japanese or Korean.
FONT_FAMILY = "DejaVu Sans"
_FONT_FILE = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")

_NOTE = "\nclasses by number: see the last table of report.md"
_LACKS = "\n? is a character that the font lacks"
# Characters that have room above an image of a grid.
_LONGEST = 16


def in_figures(names: Sequence[str]) -> list[str]:
    """The class ``names``; all with their numbers, and "?" for what the font lacks, if one could not be read or told.

    That is where the font lacks a character, where two names look the same, and where one has no room and is cut.
    """
    if _can_be_told(names):
        return list(names)
    known = FT2Font(_FONT_FILE).get_charmap()
    short = (name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names)
    drawable = ("".join(c if ord(c) in known else "?" for c in name) for name in short)
    return [f"{number}: {name}" for number, name in enumerate(drawable)]


def in_tables(names: Sequence[str]) -> list[str]:
    """The class ``names`` as Markdown, with the numbers that figures give them, if they do."""
    told = _can_be_told(names)
    return [escaped(name if told else f"{number}: {name}") for number, name in enumerate(names)]


def note(names: Sequence[str]) -> str:
    """What the title of a figure adds: nothing, or a line that says where the numbers are explained."""
    if _can_be_told(names):
        return ""
    return _NOTE + (_LACKS if _lacks_some(names) else "")


def _lacks_some(names: Sequence[str]) -> bool:
    known = FT2Font(_FONT_FILE).get_charmap()
    return not all(ord(character) in known for name in names for character in name)


def _can_be_told(names: Sequence[str]) -> bool:
    """Whether ``names`` have room, the font has every character, and no two of them make the same picture."""
    if any(len(name) > _LONGEST for name in names) or _lacks_some(names):
        return False
    font = FT2Font(_FONT_FILE)
    pictures = {_picture(font, name) for name in names}
    return len(pictures) == len(names) and b"" not in pictures


def _picture(font: FT2Font, name: str) -> bytes:
    """The pixels of ``name``, but for characters without a shape of their own and what spaces add to one."""
    shapes = "".join(character for character in name if unicodedata.category(character) != "Cf")
    font.set_text(" ".join(shapes.split()))
    font.draw_glyphs_to_bitmap()
    pixels = np.asarray(font.get_image())
    return f"{pixels.shape}".encode() + pixels.tobytes() if pixels.any() else b""
