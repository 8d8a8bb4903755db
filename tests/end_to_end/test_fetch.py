"""The fetch stage on archives of the real layouts whose catalogue the test writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.conftest import Project, binary_members, catalogue_entry, folder_members, tar


@pytest.fixture
def archive(project: Project) -> Path:
    """A good archive that the project's catalogue knows."""
    path = tar(project.folder.parent / "small.tar.gz", binary_members())
    project.set_params(**{"fetch.dataset": "cifar10"})
    know(project, path, "binary")
    return path


def know(project: Project, archive: Path, layout: str) -> None:
    catalogue = project.folder / "pipeline" / "images" / "catalogue.yaml"
    catalogue.write_text(yaml.safe_dump([catalogue_entry(archive, layout)]))


def fetch_fails(project: Project, location: Path | str) -> str:
    """Run fetch, which must refuse in one line and write nothing; return the line."""
    ended = project.call("fetch", CIFAR10_ARCHIVE=str(location))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert not (project.folder / "data").exists()
    assert not (project.folder / "metrics").exists()
    return ended.stderr


def fetch_succeeds(project: Project, location: Path | str) -> None:
    project.stage("fetch", CIFAR10_ARCHIVE=str(location))
    raw = project.folder / "data" / "raw"
    assert np.load(raw / "train_images.npy").shape == (100, 32, 32, 3)
    assert np.load(raw / "test_labels.npy").dtype == np.uint8
    assert len(json.loads((raw / "class_names.json").read_text())) == 10


def test_provenance_is_recorded(project: Project, archive: Path) -> None:
    fetch_succeeds(project, archive)
    dataset = json.loads((project.folder / "metrics" / "dataset.json").read_text())
    entry = catalogue_entry(archive, "binary")
    assert {dataset[key] == entry[key] for key in ("sha256", "lossless")} == {True}
    assert dataset["archive"] == "small.tar.gz"
    assert dataset["counts"]["train"]["frog"] == 10


def test_class_folders_are_fetched(project: Project, archive: Path) -> None:
    folders = tar(archive.parent / "small.tar.xz", folder_members())
    know(project, folders, "folders")
    fetch_succeeds(project, folders)


def test_a_flipped_byte_is_refused(project: Project, archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    flipped = archive.with_name("flipped.tar.gz")
    flipped.write_bytes(content)
    line = fetch_fails(project, flipped)
    assert "flipped.tar.gz" in line
    assert "allowed: small.tar.gz" in line
    fetch_succeeds(project, archive)


def test_a_truncated_archive_is_refused(project: Project, archive: Path) -> None:
    truncated = archive.with_name("truncated.tar.gz")
    truncated.write_bytes(archive.read_bytes()[:-100])
    assert f"has {archive.stat().st_size - 100} bytes" in fetch_fails(project, truncated)


def test_a_missing_member_leaves_nothing_behind(project: Project, archive: Path) -> None:
    members = binary_members()
    del members["cifar-10-batches-bin/data_batch_4.bin"]
    incomplete = tar(archive.with_name("incomplete.tar.gz"), members)
    know(project, incomplete, "binary")
    assert "data_batch_4.bin" in fetch_fails(project, incomplete)
    know(project, archive, "binary")
    fetch_succeeds(project, archive)


def test_a_path_that_does_not_exist_is_named(project: Project, archive: Path) -> None:
    assert "CIFAR10_ARCHIVE is nowhere.tar.gz, which is not a file" in fetch_fails(project, "nowhere.tar.gz")


@pytest.mark.parametrize("location", ["/", "ftp://127.0.0.1/archive.tar.gz", "file:///archive.tar.gz", "x" * 300])
def test_what_is_no_file_and_no_address_is_refused(project: Project, archive: Path, location: str) -> None:
    assert location in fetch_fails(project, location)


def test_an_unusable_cache_folder_is_one_line(project: Project, archive: Path) -> None:
    project.environment["XDG_CACHE_HOME"] = str(archive)
    assert "Not a directory" in fetch_fails(project, "http://127.0.0.1:9/archive.tar.gz")


def test_an_unreachable_address_is_named(project: Project, archive: Path) -> None:
    line = fetch_fails(project, "http://127.0.0.1:9/archive.tar.gz")
    assert "http://127.0.0.1:9/archive.tar.gz" in line
    assert "Connection refused" in line
