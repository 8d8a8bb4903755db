"""What code a module executes: a static reading of its imports, and of their text without comments."""

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "tools")

# From Python 3.12 on, the text of an f-string is a token of its own.
_STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


def path_of(module: str) -> Path:
    """The file of a module of ours; a package's is its ``__init__.py``. Raises FileNotFoundError if there is none."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(path)


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The modules of ours that ``module`` itself imports, anywhere in its text, with the packages around them."""
    found = set(_ancestors(module)) - {module}
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            # What is imported from a package may be a module of it, or a name within its __init__.py.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {ancestor for name in names for ancestor in _ancestors(name)}
    return frozenset(found)


def executed(*modules: str) -> list[str]:
    """All modules of ours that importing ``modules`` executes, themselves included, sorted."""
    found: set[str] = set()
    waiting = {ancestor for module in modules for ancestor in _ancestors(module)}
    while waiting:
        found |= waiting
        waiting = {name for module in waiting for name in imports(module)} - found
    return sorted(found)


def code(module: str) -> str:
    """The text of ``module`` without comments, docstrings and blank lines, which change nothing that it does."""
    text = path_of(module).read_text(encoding="utf-8")
    lines = text.splitlines()
    # Rows whose end lies within a string, where blanks count.
    within: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
        elif token.type in _STRINGS:
            within.update(range(token.start[0], token.end[0]))
    for first, last in _docstrings(text):
        lines[first - 1 : last] = [""] * (last - first + 1)
        within.difference_update(range(first, last + 1))
    stripped = (line if row in within else line.rstrip() for row, line in enumerate(lines, start=1))
    return "\n".join(line for row, line in enumerate(stripped, start=1) if line or row in within)


def digest(modules: Iterable[str]) -> str:
    """A sha256 over the names and the :func:`code` of ``modules``."""
    result = hashlib.sha256()
    for module in sorted(modules):
        result.update(f"{module}\n{code(module)}\n".encode())
    return result.hexdigest()


def _ancestors(module: str) -> Iterator[str]:
    """Those of "a.b.c", "a.b" and "a" that are modules of ours."""
    parts = module.split(".")
    if parts[0] in PACKAGES:
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            try:
                path_of(name)
            except FileNotFoundError:
                continue
            yield name


def _docstrings(text: str) -> Iterator[tuple[int, int]]:
    """First and last line, from 1, of each docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                yield first.lineno, first.end_lineno or first.lineno
