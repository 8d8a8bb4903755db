"""A file at a revision, or in the work tree: its content, or one line that says where it cannot be read."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.files.errors import UserError

# Metrics files have five levels; what walks through one calls itself once a level.
_DEEPEST = 50


def run(*words: str) -> bytes:
    """What git prints. Raises :class:`UserError` with the last line of its complaint where it fails."""
    ended = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 -- git, no shell
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(words)}: {[f'exit code {ended.returncode}', *said][-1]}")
    return ended.stdout


def names(revision: str, folder: str) -> set[str]:
    """The paths of the files in ``folder`` at ``revision``, at any depth."""
    listed = run("git", "ls-tree", "-r", "--name-only", "-z", revision, "--", folder)
    return {os.fsdecode(path) for path in listed.split(b"\0") if path}


def content(revision: str | None, path: str) -> bytes | None:
    """A file at ``revision``, or in the work tree if that is None; None where it does not exist."""
    if revision is None:
        return Path(path).read_bytes() if Path(path).exists() else None
    return run("git", "show", f"{revision}:./{path}") if path in names(revision, path) else None


def parsed(revision: str | None, path: str) -> dict[str, Any] | None:
    """The mapping that a JSON or YAML file holds; None where it does not exist.

    Raises :class:`UserError` that names file and line where it cannot be read.
    """
    try:
        raw = content(revision, path)
        if raw is None:
            return None
        # YAML 1.2, as DVC reads it.
        found = json.loads(raw) if path.endswith(".json") else YAML(typ="safe", pure=True).load(raw.decode())
    except OSError as error:
        line, reason = 0, error.strerror
    except UnicodeDecodeError as error:
        line, reason = 1 + error.object[: error.start].count(b"\n"), "not UTF-8"
    except json.JSONDecodeError as error:
        line, reason = error.lineno, error.msg
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, reason = mark.line + 1 if mark else 0, getattr(error, "problem", None) or "not YAML"
    except RecursionError:
        line, reason = 0, "nested too deeply"
    except ValueError as error:
        # A date that does not exist, or a number with more digits than Python reads.
        line, reason = 0, str(error).partition(";")[0]
    else:
        if path.endswith(".json") and _too_deep(found):
            line, reason = 0, "nested too deeply"
        elif isinstance(found, dict):
            return found
        else:
            line, reason = 1, "no mapping from names to values"
    place = f"{path} ({'before' if revision else 'after'}){f', line {line}' if line else ''}"
    raise UserError(f"cannot be read: {place}: {reason}")


def _too_deep(found: Any) -> bool:
    level = [found]
    for _ in range(_DEEPEST):
        level = [
            value
            for entry in level
            if isinstance(entry, dict | list)
            for value in (entry.values() if isinstance(entry, dict) else entry)
        ]
    return bool(level)
