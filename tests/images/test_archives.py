"""All of an archive or folder is read, or one line names what is not."""

import gzip
import io
import os
import shutil
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.files.errors import UserError
from pipeline.images import archives
from tests.conftest import laid_out, tar, zipped

MEMBERS = {"cat/0.png": b"0" * 700, "cat/1.png": b"1" * 300, "dog/0.png": b"2" * 512, "dog/empty": b""}


def read(path: Path) -> dict[str, bytes]:
    return {str(name): content for name, content in archives.read(path, lambda names: names)}


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def plain(path: Path, *links: tarfile.TarInfo) -> Path:
    """An uncompressed tar archive of MEMBERS, then of ``links``."""
    with tarfile.open(path, "w") as archive:
        for name, content in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for link in links:
            archive.addfile(link)
    return path


def link(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything: as another user, where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def public() -> Iterator[Path]:
    """A temporary folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "pack",
    [
        lambda path: laid_out(path / "folder", MEMBERS),
        lambda path: plain(path / "a.tar"),
        lambda path: tar(path / "a.tar.gz", MEMBERS),
        lambda path: tar(path / "a.tar.xz", MEMBERS),
        lambda path: zipped(path / "a.zip", MEMBERS),
    ],
)
def test_every_file_is_read(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    assert read(pack(tmp_path)) == MEMBERS


def test_an_archive_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    assert read(zipped(tmp_path / "a.tar.gz", MEMBERS)) == MEMBERS
    assert read(plain(tmp_path / "a.zip")) == MEMBERS


def test_several_gzip_streams_one_after_the_other_are_one_file(tmp_path: Path) -> None:
    content = plain(tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(content[:1024]) + gzip.compress(content[1024:]))
    assert read(tmp_path / "a.tar.gz") == MEMBERS


@pytest.mark.parametrize("at", range(0, 4096, 512))
def test_a_tar_archive_damaged_in_a_header_or_ending_there_is_refused(tmp_path: Path, at: int) -> None:
    path = plain(tmp_path / "a.tar")
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:at])
    assert "not a readable tar or zip archive" in refusal(path)
    path.write_bytes(content[: at + 100])
    assert "not a readable tar or zip archive" in refusal(path)
    content[at + 100] ^= 1
    path.write_bytes(content)
    if content[at + 257 : at + 262] == b"ustar":
        assert f"bad checksum at byte {at}" in refusal(path)


def test_what_follows_the_end_mark_is_not_ignored(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.tar")
    path.write_bytes(path.read_bytes() * 2)
    assert "bytes after its end mark" in refusal(path)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.xz", "zip"])
def test_a_compressed_archive_cut_short_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    path = (zipped if suffix == "zip" else tar)(tmp_path / f"a.{suffix}", MEMBERS)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        refusal(path)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.xz", "zip"])
def test_a_damaged_archive_gives_all_files_or_none(tmp_path: Path, suffix: str) -> None:
    path = (zipped if suffix == "zip" else tar)(tmp_path / f"a.{suffix}", MEMBERS)
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            assert read(path) == MEMBERS
        except UserError:
            refused += 1
    assert refused > len(content) / 6


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"not a tar archive" * 1000)
    assert "a.tar.gz: not a readable tar or zip archive" in refusal(path)
    assert "nowhere: No such file or directory" in refusal(tmp_path / "nowhere")


def test_hard_links_in_an_archive_are_files(tmp_path: Path) -> None:
    path = plain(
        tmp_path / "a.tar",
        link("cat/2.png", tarfile.LNKTYPE, "cat/0.png"),
        link("./cat/3.png", tarfile.LNKTYPE, "cat/2.png"),
    )
    copies = {"cat/2.png": MEMBERS["cat/0.png"], "cat/3.png": MEMBERS["cat/0.png"]}
    assert read(path) == MEMBERS | copies
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "a.tar.gz") == MEMBERS | copies


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (link("dog/1.png", tarfile.SYMTYPE, "0.png"), "dog/1.png: a symbolic link to 0.png"),
        (link("bird", tarfile.SYMTYPE, "dog"), "bird: a symbolic link to dog"),
        (
            link("dog/1.png", tarfile.LNKTYPE, "dog/9.png"),
            "dog/1.png: a hard link to dog/9.png, which is not",
        ),
        (link("dog/1.png", tarfile.FIFOTYPE), "dog/1.png: neither a file nor a folder"),
    ],
)
def test_what_an_archive_holds_besides_files_is_named(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    assert message in refusal(plain(tmp_path / "a.tar", member))


def test_a_symbolic_link_in_a_zip_archive_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", MEMBERS)
    info = zipfile.ZipInfo("bird")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "dog")
    assert "a.zip/bird: a symbolic link within an archive" in refusal(path)


def test_links_in_a_folder_are_followed(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "folder", MEMBERS)
    laid_out(tmp_path / "elsewhere", {"7.png": b"7"})
    (folder / "bird").symlink_to(tmp_path / "elsewhere")
    (folder / "cat/2.png").symlink_to("../dog/0.png")
    assert read(folder) == MEMBERS | {"bird/7.png": b"7", "cat/2.png": MEMBERS["dog/0.png"]}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", "a link to nowhere: No such file or directory"),
        ("bird", "a link to bird: Too many levels of symbolic links"),
        (".", "a link to a folder that it lies in"),
        ("../../folder", "a link to a folder that it lies in"),
    ],
)
def test_a_link_that_leads_nowhere_or_back_is_named(tmp_path: Path, target: str, reason: str) -> None:
    folder = laid_out(tmp_path / "folder", MEMBERS)
    (folder / "cat/bird").symlink_to(target)
    assert f"folder/cat/bird: {reason}" in refusal(folder)


def test_what_is_neither_a_file_nor_a_folder_is_named(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "folder", MEMBERS)
    os.mkfifo(folder / "cat/2.png")
    assert "cat/2.png: neither a file nor a folder" in refusal(folder)
    (folder / "cat/2.png").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
    assert "folder/s: neither a file nor a folder" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "mode"), [("cat", 0o000), ("cat", 0o444), ("cat", 0o111), ("cat/1.png", 0o000), (".", 0o000)]
)
def test_what_may_not_be_read_is_named(public: Path, name: str, mode: int) -> None:
    folder = laid_out(public / "folder", MEMBERS)
    (folder / name).chmod(mode)
    with unprivileged():
        message = refusal(folder)
    assert message.startswith(str(folder / name))
    assert message.endswith(": Permission denied")
    (folder / name).chmod(0o755)
    assert read(folder) == MEMBERS
