"""How long each stage took when it last ran on this machine, kept in the user's cache folder."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from pipeline.files.artefacts import atomic_write

_FOLDER = "cifar10-dense-study"


@dataclass(frozen=True)
class Time:
    """One run of a stage: its seconds, its multiplications at most (None: not a training stage), and its threads."""

    seconds: float
    multiply_adds: int | None
    threads: int

    def __post_init__(self) -> None:
        if not all(isinstance(number, int | float) for number in (self.seconds, self.multiply_adds or 0, self.threads)):
            raise TypeError("a time that is no number")


def path() -> Path:
    """The file of all times."""
    return user_cache_path(_FOLDER) / "times.json"


def read() -> dict[str, Time]:
    """The last time of each stage, of whichever clone it was; empty, with a warning, where the file is damaged."""
    try:
        return {name: Time(**entry) for name, entry in json.loads(path().read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        print(f"warning: {path()} cannot be read ({error}): times are estimated without it", file=sys.stderr)
        return {}


def record(name: str, time: Time) -> None:
    """Keep the time of one stage; say why where it cannot be kept."""
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path().with_suffix(".lock")):
            content = {known: asdict(entry) for known, entry in (read() | {name: time}).items()}
            with atomic_write(path(), fsync=False) as temporary:
                temporary.write_text(json.dumps(content, sort_keys=True, indent=1), encoding="utf-8")
    except OSError as error:
        print(f"warning: {path()} cannot be written ({error.strerror})", file=sys.stderr)
