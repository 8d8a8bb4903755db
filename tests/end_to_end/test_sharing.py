"""A clone that pulls from a remote works without training anything."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Project


@pytest.fixture
def ssh() -> Iterator[str]:
    """The address of an SSH server on this machine."""
    words = [sys.executable, str(ROOT / "tests/end_to_end/ssh_server.py")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"ssh://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


@pytest.fixture(params=["folder", "ssh"])
def clone(request: pytest.FixtureRequest, clean: Project, tmp_path: Path) -> Project:
    """A clone of the reproduced project with everything pulled from its remote."""
    server = request.getfixturevalue("ssh") if request.param == "ssh" else ""
    clean.succeed("dvc", "remote", "add", "--default", "team", f"{server}{tmp_path}/remote")
    clean.succeed("git", "commit", "--quiet", "--all", "--message", "A remote")
    clean.succeed("dvc", "push", "--quiet")
    clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / "clone"))
    clean.succeed("git", "reset", "--quiet", "--hard", "HEAD~1")
    clone = Project(tmp_path / "clone")
    clone.succeed("dvc", "pull", "--quiet")
    return clone


def test_a_clone_that_has_pulled_trains_nothing(clone: Project, tmp_path: Path) -> None:
    assert len(list((tmp_path / "remote/files/md5").glob("*/*"))) > 20
    assert "Running stage" not in clone.succeed("dvc", "repro")
    assert clone.succeed("git", "status", "--porcelain") == ""
    assert clone.succeed("dvc", "metrics", "diff", "HEAD") == ""
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "image.png")
    (entry,) = json.loads(clone.stage("predict", "--json", str(tmp_path / "image.png")))
    assert sum(found["probability"] for found in entry["classes"]) <= 1.000001
    clone.succeed("dvc", "get", str(clone.folder), "models/selected.keras", "--out", str(tmp_path / "model.keras"))
    assert (tmp_path / "model.keras").read_bytes() == (clone.folder / "models/selected.keras").read_bytes()
