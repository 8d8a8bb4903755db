"""The committed figures against the real images, where CIFAR10_ARCHIVE names them (as CI does)."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pipeline.fetch import CATALOGUE
from pipeline.images import catalogue
from tests.conftest import ROOT, copy_project


@pytest.mark.skipif(not os.environ.get("CIFAR10_ARCHIVE"), reason="CIFAR10_ARCHIVE names no archive")
def test_the_committed_data_and_the_studys_baseline_are_found_again(tmp_path: Path) -> None:
    """The images have the hashes in dvc.lock; the baseline scores what independent programs score."""
    project = copy_project(tmp_path)
    for name in ("params.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    project.commit()
    project.succeed("dvc", "repro", "preprocess")
    assert project.succeed("git", "status", "--porcelain") == ""
    known = catalogue.read(tmp_path / CATALOGUE)["cifar10-jpeg"]
    dataset = json.loads((tmp_path / "metrics" / "dataset.json").read_text())
    assert (dataset["content_sha256"], dataset["arrays_sha256"]) == (known.content, known.arrays)
    project.set_params(**{"train.seeds": [100]})
    project.succeed("dvc", "repro", "evaluate@baseline")
    figures = json.loads((tmp_path / "metrics" / "baseline.json").read_text())["test"]
    assert 0.365 <= figures["accuracy"]["mean"] <= 0.40
    assert figures["f1"]["mean"] > 0.35
