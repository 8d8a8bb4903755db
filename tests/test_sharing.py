"""A clone that pulls from a remote works without training anything."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Project


@pytest.fixture
def clone(clean: Project, tmp_path: Path) -> Project:
    """A clone of the reproduced project whose remote is a folder, with everything pulled."""
    clean.succeed("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    clean.succeed("git", "commit", "--quiet", "--all", "--message", "A remote")
    clean.succeed("dvc", "push", "--quiet")
    clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / "clone"))
    clean.succeed("git", "reset", "--quiet", "--hard", "HEAD~1")
    clone = Project(tmp_path / "clone")
    clone.succeed("dvc", "pull", "--quiet")
    return clone


def test_a_clone_that_has_pulled_trains_nothing(clone: Project, tmp_path: Path) -> None:
    assert "Running stage" not in clone.succeed("dvc", "repro")
    assert clone.succeed("git", "status", "--porcelain") == ""
    assert clone.succeed("dvc", "metrics", "diff", "HEAD") == ""
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "image.png")
    (entry,) = json.loads(clone.succeed("python", "-m", "pipeline.predict", "--json", str(tmp_path / "image.png")))
    assert sum(found["probability"] for found in entry["classes"]) <= 1.000001
    selected = json.loads((clone.folder / "metrics/summary.json").read_text())["selected"]["model"]
    clone.succeed("dvc", "get", str(clone.folder), "models/selected.keras", "--out", str(tmp_path / "model.keras"))
    assert (tmp_path / "model.keras").read_bytes() == (clone.folder / selected).read_bytes()
