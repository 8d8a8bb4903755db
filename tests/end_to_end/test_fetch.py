"""The fetch stage on small data sets of the real layouts whose catalogue the test writes."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.files.dataset import Split, TrainAndTest
from pipeline.images.catalogue import arrays_digest
from tests.conftest import (
    Project,
    binary_members,
    catalogue_entry,
    content_digest,
    folder_members,
    laid_out,
    tar,
    zipped,
)
from tests.images.test_catalogue import as_github


@pytest.fixture
def archive(project: Project) -> Path:
    """A good archive that the project's catalogue knows."""
    project.set_params(**{"fetch.dataset": "cifar10"})
    know(project, binary_members(), "binary")
    return tar(project.folder.parent / "small.tar.gz", binary_members())


def know(project: Project, members: Mapping[str, bytes], layout: str, **others: object) -> None:
    catalogue = project.folder / "pipeline" / "images" / "catalogue.yaml"
    entry = catalogue_entry(members, layout, **others)
    catalogue.write_text(yaml.safe_dump({"cifar10": entry, "cifar10-jpeg": entry}))


def fetch_fails(project: Project, location: Path | str) -> str:
    """Run fetch, which must refuse in one line and write nothing; return the line."""
    ended = project.call("fetch", CIFAR10_ARCHIVE=str(location))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert not (project.folder / "data").exists()
    assert not (project.folder / "metrics").exists()
    return ended.stderr


def fetch_succeeds(project: Project, location: Path | str) -> str:
    """Run fetch and return what it said."""
    ended = project.call("fetch", CIFAR10_ARCHIVE=str(location))
    assert ended.returncode == 0, ended.stderr
    raw = project.folder / "data" / "raw"
    assert np.load(raw / "train_images.npy").shape == (100, 32, 32, 3)
    assert np.load(raw / "test_labels.npy").dtype == np.uint8
    assert len(json.loads((raw / "class_names.json").read_text())) == 10
    return ended.stderr


def written_arrays(project: Project) -> str:
    """The digest of the arrays in data/raw."""
    raw = project.folder / "data" / "raw"
    train, test = (
        Split(np.load(raw / f"{name}_images.npy"), np.load(raw / f"{name}_labels.npy")) for name in ("train", "test")
    )
    return arrays_digest(TrainAndTest(train, test))


def test_provenance_is_recorded(project: Project, archive: Path) -> None:
    assert fetch_succeeds(project, archive) == ""
    dataset = json.loads((project.folder / "metrics" / "dataset.json").read_text())
    assert dataset == {
        "dataset": "cifar10",
        "lossless": True,
        "origin": "a test",
        "content_sha256": content_digest(binary_members()),
        "arrays_sha256": written_arrays(project),
        "counts": dataset["counts"],
    }
    assert dataset["counts"]["train"]["frog"] == 10


class GitHub(BaseHTTPRequestHandler):
    """Sends an archive as GitHub does: elsewhere, in chunks, without a length and without ranges."""

    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self) -> None:
        if not self.path.startswith("/codeload/"):
            self.send_response(302)
            self.send_header("Location", f"/codeload{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(self.content), 10_000):
            piece = self.content[start : start + 10_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """A client may hang up."""


@pytest.fixture
def github() -> Iterator[str]:
    """The address, without its suffix, of a server that sends as GitHub does."""
    with Server(("127.0.0.1", 0), GitHub) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/archive/d7d0561"
        running.shutdown()


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
def test_a_data_set_comes_from_its_address_as_github_packs_it(
    project: Project, github: str, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = folder_members()
    pack = tar if suffix == "tar.gz" else zipped
    packed = pack(tmp_path / f"packed.{suffix}", as_github(members)).read_bytes()
    monkeypatch.setattr(GitHub, "content", packed)
    project.set_params(**{"fetch.dataset": "cifar10-jpeg"})
    address = f"{github}.{suffix}"
    know(project, members, "folders", address=address, largest=len(packed) - 1)
    assert f"{address}: larger than {len(packed) - 1} bytes" in fetch_fails(project, "")
    know(project, members, "folders", address=address, largest=len(packed))
    fetch_succeeds(project, "")
    dataset = json.loads((project.folder / "metrics" / "dataset.json").read_text())
    assert dataset["content_sha256"] == content_digest(members)


def test_other_pixels_of_the_same_files_are_told(project: Project, archive: Path) -> None:
    folder = laid_out(archive.parent / "checkout", folder_members())
    know(project, folder_members(), "folders", arrays="0" * 64)
    (line,) = fetch_succeeds(project, folder).splitlines()
    assert line.startswith("warning: the files are those of cifar10, but Pillow ")
    assert line.endswith(f"other pixels: sha256 {written_arrays(project)} instead of {'0' * 64}. Figures may differ")
    know(project, folder_members(), "folders", arrays=written_arrays(project))
    assert fetch_succeeds(project, folder) == ""


def test_clutter_is_counted(project: Project, archive: Path) -> None:
    folder = laid_out(archive.parent / "mine", folder_members() | {"train/cat/Thumbs.db": b"", "test/.DS_Store": b""})
    know(project, folder_members(), "folders")
    notice = "fetch: passed over 2 hidden or system files, among them test/.DS_Store\n"
    assert fetch_succeeds(project, folder) == notice
    project.set_params(**{"fetch.dataset": "folder", "fetch.path": str(folder)})
    assert fetch_succeeds(project, "") == notice


def test_a_flipped_byte_is_refused(project: Project, archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    flipped = archive.with_name("flipped.tar.gz")
    flipped.write_bytes(content)
    assert "flipped.tar.gz" in fetch_fails(project, flipped)
    members = binary_members()
    other = members | {"test_batch.bin": members["test_batch.bin"][:-1] + b"x"}
    line = fetch_fails(project, tar(archive.with_name("other.tar.gz"), other))
    assert "other.tar.gz is not cifar10, which fetch.dataset names" in line
    assert f"allowed: {content_digest(members)}" in line
    fetch_succeeds(project, archive)


def test_a_truncated_archive_is_refused(project: Project, archive: Path) -> None:
    truncated = archive.with_name("truncated.tar.gz")
    truncated.write_bytes(archive.read_bytes()[:-100])
    assert "truncated.tar.gz: not a readable tar or zip archive" in fetch_fails(project, truncated)


def test_a_missing_file_leaves_nothing_behind(project: Project, archive: Path) -> None:
    members = binary_members()
    del members["data_batch_4.bin"]
    incomplete = tar(archive.with_name("incomplete.tar.gz"), members)
    assert "data_batch_4.bin" in fetch_fails(project, incomplete)
    fetch_succeeds(project, archive)


def test_a_path_that_does_not_exist_is_named(project: Project, archive: Path) -> None:
    assert "CIFAR10_ARCHIVE is nowhere.tar.gz, which is not a file or folder" in fetch_fails(project, "nowhere.tar.gz")


@pytest.mark.parametrize("location", ["/", "ftp://127.0.0.1/archive.tar.gz", "file:///archive.tar.gz", "x" * 300])
def test_what_has_no_data_set_and_is_no_address_is_refused(project: Project, archive: Path, location: str) -> None:
    assert location in fetch_fails(project, location)


@pytest.mark.parametrize(
    ("stage", "written"), [("fetch", "raw/train_images.npy"), ("preprocess", "prepared/train/images.npy")]
)
def test_a_full_disk_is_one_line_and_nothing_half_written_stays(
    project: Project, small_disk: tuple[Path, str], stage: str, written: str
) -> None:
    folder, reason = small_disk
    data = project.folder / "data"
    data.mkdir()
    if stage == "preprocess":
        project.stage("fetch")
        (data / "prepared").symlink_to(folder)
    else:
        (data / "raw").symlink_to(folder)
    ended = project.call(stage)
    assert (ended.returncode, ended.stderr) == (1, f"{stage}: data/{written}: {reason}\n")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert not (project.folder / "metrics" / "split.json").exists()


def test_an_unusable_cache_folder_is_one_line(project: Project, archive: Path) -> None:
    project.environment["XDG_CACHE_HOME"] = str(archive)
    assert "Not a directory" in fetch_fails(project, "http://127.0.0.1:9/archive.tar.gz")


def test_an_unreachable_address_is_named(project: Project, archive: Path) -> None:
    line = fetch_fails(project, "http://127.0.0.1:9/archive.tar.gz")
    assert "http://127.0.0.1:9/archive.tar.gz" in line
    assert "Connection refused" in line
