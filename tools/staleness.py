"""Whether the report belongs to the files beside it, by what dvc.lock says that it was made of."""

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.files.errors import UserError
from pipeline.params.reading import PARAMS
from pipeline.runtime import fingerprints

LOCK = Path("dvc.lock")
# What DVC keeps, and a clone need not have; reading all of it would cost seconds. `dvc status report` does.
_KEPT_BY_DVC = ("data/", "models/", "logs/")


class _Loader(yaml.CSafeLoader):
    """A quick YAML 1.1 loader that takes 1e-05 for a number, as YAML 1.2 does and DVC writes it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def of_report() -> list[str]:
    """What makes the report stale, a phrase each; empty where it belongs to what lies beside it.

    Compared are its code, its parameters, the files in git that it is made of, and its own pages; not models and
    predictions.
    """
    try:
        lock, params = (yaml.load(path.read_bytes(), _Loader) for path in (LOCK, PARAMS))  # noqa: S506 -- a SafeLoader
        entry = lock["stages"]["report"]
        files = {file["path"]: file["md5"] for kind in ("deps", "outs") for file in entry[kind]}
        recorded = dict(entry["params"][str(PARAMS)].items())
        if not all(isinstance(text, str) for text in (*recorded, *files, *files.values())):
            raise TypeError
    except FileNotFoundError as error:
        return [f"{error.filename} is missing"]
    except OSError as error:
        return [f"{error.filename} cannot be read: {error.strerror}"]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A value that cannot be: a date that does not exist, a number with more digits than Python reads.
        return [f"{LOCK} or {PARAMS} cannot be read: {' '.join(str(error).split())}"]
    except (KeyError, TypeError, AttributeError):
        return [f"{LOCK} has no report of this graph"]
    found = [f"{PARAMS}: {name} changed" for name, value in recorded.items() if _parameter(params, name) != value]
    for path, md5 in files.items():
        if not md5.endswith(".dir") and not path.startswith(_KEPT_BY_DVC) and _md5(Path(path)) != md5:
            found.append(f"{path} changed" if Path(path).exists() else f"{path} is missing")
    try:
        fingerprints.check("report")
    except UserError as error:
        found.append(str(error))
    return found


def _parameter(params: Any, name: str) -> Any:
    for part in name.split("."):
        params = params.get(part) if isinstance(params, dict) else None
    return params


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""
