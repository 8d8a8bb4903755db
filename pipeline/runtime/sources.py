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

# Districts that stop, continue or show a run, and are tested to change no byte of what it writes.
HARMLESS = ("pipeline.console", "pipeline.runtime")

# The libraries that decide bytes, by the name under which they are imported.
LIBRARIES = {
    "PIL": "pillow",
    "dvclive": "dvclive",
    "h5py": "h5py",
    "keras": "keras",
    "keras_tuner": "keras-tuner",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tabulate": "tabulate",
    "tensorflow": "tensorflow",
}


def path_of(module: str) -> Path:
    """The file of a module of ours; a package's is its ``__init__.py``. Raises FileNotFoundError if there is none."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(path)


def imports(module: str) -> frozenset[str]:
    """The modules of ours that ``module`` itself imports, anywhere in its text, with the packages around them."""
    found = {ancestor for name in _names(module) for ancestor in _ancestors(name)}
    return frozenset(found | set(_ancestors(module))) - {module}


@functools.cache
def _names(module: str) -> frozenset[str]:
    """Every dotted name that ``module`` imports; what comes from a package may be a module of it or a name in it."""
    found: set[str] = set()
    for node in _statements(path_of(module).read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.module is None or node.level:
                raise ValueError(f"{path_of(module)}: line {node.lineno} imports relatively; write the whole name")
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _foreign(module: str) -> set[str]:
    return {name.partition(".")[0] for name in _names(module)}


def executed(module: str) -> list[str]:
    """All modules of ours that importing ``module`` executes, itself included, sorted."""
    return _reached(module, frozenset())


def decisive(module: str) -> list[str]:
    """The modules among :func:`executed` that can change what ``module`` computes: without :data:`HARMLESS`."""
    return _reached(module, frozenset(HARMLESS))


def libraries(modules: Iterable[str]) -> list[str]:
    """The distributions among :data:`LIBRARIES` that ``modules`` import themselves."""
    return sorted({LIBRARIES[name] for module in modules for name in _foreign(module) if name in LIBRARIES})


def _reached(module: str, without: frozenset[str]) -> list[str]:
    found: set[str] = set()
    waiting = set(_ancestors(module))
    while waiting:
        found |= waiting
        reached = {name for module in waiting for name in imports(module)} - found
        waiting = {name for name in reached if not without & set(_ancestors(name))}
    return sorted(found)


def code(module: str) -> str:
    """The text of ``module`` without comments, docstrings and blank lines, which change nothing that it does."""
    return _code(path_of(module).read_text(encoding="utf-8"))


# Kept for each text, not for each module: a stage asks again before it writes, and an edit must not escape it.
@functools.cache
def _code(text: str) -> str:
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


def digest(module: str) -> str:
    """The sha256 of the :func:`code` of ``module``."""
    return hashlib.sha256(code(module).encode()).hexdigest()


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
    for node in _statements(text):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                yield first.lineno, first.end_lineno or first.lineno


def _statements(text: str) -> Iterator[ast.AST]:
    """The module that ``text`` is and every statement in it, without the expressions, which are most of a tree."""
    waiting: list[ast.AST] = [ast.parse(text)]
    for node in waiting:
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            waiting += getattr(node, block, ())
