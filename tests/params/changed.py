"""Searches of params.yaml, changed as a test needs them."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.params import reading
from pipeline.params.search import SearchParams
from tests.conftest import ROOT


def load(folder: Path, search: str, **changes: Any) -> SearchParams:
    """The search of this name with ``changes``: what begins with axis_ is of its space, and None removes it."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    section = content["tune"]["searches"][search]
    for name, value in changes.items():
        target, leaf = (section["space"], name[5:]) if name.startswith("axis_") else (section, name)
        if value is None:
            del target[leaf]
        else:
            target[leaf] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return reading.load("tune", path=path).tune.searches[search]
