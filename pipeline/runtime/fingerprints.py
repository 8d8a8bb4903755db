"""The fingerprint of a stage: the code that decides its result, and the versions of the libraries that do.

DVC sees fingerprints/<stage>.json as a dependency of the stage, so that a comment leaves it up to date and another
version of TensorFlow makes it stale.
"""

import contextlib
import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.files.errors import UserError
from pipeline.files.names import printable
from pipeline.runtime import sources

FOLDER = Path("fingerprints")
LOCK = Path("requirements.lock")
# A library that comes by several names, with or without parts for other systems and GPUs.
_DISTRIBUTIONS = {"tensorflow": ("tensorflow-cpu", "tensorflow")}

STAGES = (
    *("fetch", "preprocess", "baseline", "scale", "regularise", "ablation", "beyond"),
    *("folds", "tune", "winner", "evaluate", "report"),
)


def path_of(stage: str) -> Path:
    """The file that holds the fingerprint of ``stage``."""
    return FOLDER / f"{stage}.json"


def modules(stage: str) -> dict[str, str]:
    """The sha256 of each module that decides what ``stage`` writes, without comments, docstrings and blank lines."""
    return {module: sources.digest(module) for module in sources.decisive(f"pipeline.{stage}")}


def locked(stage: str) -> dict[str, Any]:
    """The fingerprint of ``stage`` with the library versions of requirements.lock.

    Raises :class:`UserError` where the lock lacks a library.
    """
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    executed = modules(stage)
    names = sources.libraries(executed)
    missing = [name for name in names if name not in pinned]
    if missing:
        raise UserError(f"{LOCK} has no version of {missing[0]}; 'make lock' pins all dependencies")
    return {"modules": executed, "libraries": {name: pinned[name] for name in names}}


def check_folder() -> None:
    """Raise :class:`UserError` where DVC cannot work: it stores paths as UTF-8, and formats some as templates."""
    folder = str(Path.cwd())
    if folder != folder.encode(errors="replace").decode() or set("{}") & set(folder):
        raise UserError(
            f"the project's folder is {printable(folder)}, in which DVC fails; allowed: a path in UTF-8 without braces"
        )


def check(stage: str) -> None:
    """Raise :class:`UserError` unless the code and the installed libraries are those of the stage's fingerprint.

    So nothing is recorded under a fingerprint that is not its own: call this at the start of a stage, and again before
    it writes. Raises it too where DVC cannot use the project's folder.
    """
    check_folder()
    path = path_of(stage)
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        known_modules, known_libraries = dict(recorded["modules"]), dict(recorded["libraries"])
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run 'dvc repro fingerprint' first") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no fingerprint; run 'dvc repro fingerprint' first") from None
    for name, pinned in known_libraries.items():
        found = installed(name)
        if found != pinned:
            raise UserError(
                f"{path} is made for {name} {pinned}, and {found} is installed; run 'make .venv' for the locked "
                "versions, or 'make lock' and 'dvc repro fingerprint' for others"
            )
    now = modules(stage)
    changed = sorted(name for name in now.keys() | known_modules.keys() if now.get(name) != known_modules.get(name))
    if changed:
        raise UserError(f"{path} does not match {changed[0]}, which has changed; run 'dvc repro fingerprint' first")


def installed(library: str) -> str:
    """The version of ``library`` that is installed, or "none"."""
    for name in _DISTRIBUTIONS.get(library, (library,)):
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    return "none"
