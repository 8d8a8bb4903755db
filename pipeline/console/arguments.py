"""Words of a command line that name a path or a number."""

from pathlib import Path

from pipeline.files.errors import UserError


def count(word: str) -> int:
    """The value of --top. Raises :class:`UserError` unless it is a whole number from 1."""
    if not word.isdecimal() or int(word) < 1:
        raise UserError(f"--top is {word or 'empty'}; allowed: a whole number from 1")
    return int(word)


def named(word: str) -> Path:
    """The path ``word``. Raises :class:`UserError` where it is empty, as an unset variable of the shell is."""
    if not word:
        raise UserError("a path is empty; allowed: the name of a file or folder")
    return Path(word)
