"""Names of files and classes, and numbers of things, as they are printed."""

import unicodedata

# Control characters, bytes that are not UTF-8, and what else ends a line.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def is_printable(name: str) -> bool:
    """Whether ``name`` can be written as UTF-8 and keeps to its line."""
    return not any(unicodedata.category(character) in _UNPRINTABLE for character in name)


def printable(name: str) -> str:
    r"""``name`` with escapes as in Python for what cannot be printed, such as ``\n`` or ``\udcff``, and for ``\``."""
    escaped = (c.encode("unicode_escape").decode() if c == "\\" or not is_printable(c) else c for c in name)
    return "".join(escaped)


def counted(number: int, thing: str) -> str:
    """So many of a ``thing`` whose plural takes an s: "1 epoch", "2 epochs"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
