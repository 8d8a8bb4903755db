"""Images of the user's own, in a directory or an archive, and what is refused."""

import io
import os
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from pipeline.files.errors import UserError
from pipeline.images import own_images
from tests.conftest import content_digest

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue, dark": (20, 20, 120)}


def picture(
    colour: tuple[int, int, int], number: int = 0, kind: str = "PNG", size: tuple[int, int] = (50, 40)
) -> bytes:
    """Noise around a colour."""
    noise = np.random.default_rng(number).integers(-20, 20, (size[1], size[0], 3))
    content = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(content, kind)
    return content.getvalue()


def lay_out(folder: Path, per_class: int, splits: tuple[str, ...] = ("",)) -> Path:
    for split in splits:
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for number in range(per_class):
                (folder / split / name / f"{number}.png").write_bytes(picture(colour, number))
    return folder


def test_a_directory_and_an_archive_of_it_are_the_same(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 5, ("train", "test"))
    (folder / ".DS_Store").write_bytes(b"x")
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as archive:
        archive.add(folder, "mine")
    shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path, "mine")
    images, names, digest, clutter = own_images.read(folder)
    assert names == ("blue, dark", "green", "red")
    files = (path for path in folder.rglob("*.png"))
    assert digest == content_digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    assert clutter == [PurePosixPath(".DS_Store")]
    for name in ("mine.tar.gz", "mine.zip"):
        others, *rest = own_images.read(tmp_path / name)
        assert rest == [names, digest, [PurePosixPath("mine/.DS_Store")]]
        for split, other in ((images.train, others.train), (images.test, others.test)):
            np.testing.assert_array_equal(split.images, other.images)
            np.testing.assert_array_equal(split.labels, other.labels)
            assert np.bincount(split.labels).tolist() == [5, 5, 5]
    (folder / "train/red/0.png").write_bytes(picture(COLOURS["red"], 77))
    assert own_images.read(folder)[2] != digest


def test_a_class_behind_a_link_is_a_class(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 5)
    (folder / "red").rename(tmp_path / "elsewhere")
    (folder / "red").symlink_to("../elsewhere")
    images, names, _, _ = own_images.read(folder)
    assert names == ("blue, dark", "green", "red")
    assert np.bincount(images.train.labels).tolist() == [4, 4, 4]
    (tmp_path / "elsewhere").rename(tmp_path / "gone")
    with pytest.raises(UserError, match=r"mine/red: a link to \.\./elsewhere: No such file or directory"):
        own_images.read(folder)


@pytest.mark.parametrize("clutter", [None, ".DS_Store", "desktop.ini"])
def test_a_class_without_images_is_named(tmp_path: Path, clutter: str | None) -> None:
    folder = lay_out(tmp_path / "mine", 5)
    (folder / "yellow").mkdir()
    if clutter:
        (folder / "yellow" / clutter).write_bytes(b"x")
    with tarfile.open(tmp_path / "mine.tar", "w") as archive:
        archive.add(folder, "mine")
    shutil.make_archive(str(tmp_path / "mine"), "zip", folder)
    for place in (folder, tmp_path / "mine.tar", tmp_path / "mine.zip"):
        with pytest.raises(UserError, match=r"/yellow: a folder without images"):
            own_images.read(place)


def test_one_level_is_divided_by_class(tmp_path: Path) -> None:
    images, _, _, _ = own_images.read(lay_out(tmp_path / "mine", 10))
    assert np.bincount(images.train.labels).tolist() == [8, 8, 8]
    assert np.bincount(images.test.labels).tolist() == [2, 2, 2]


def keep_one(folder: Path) -> None:
    (folder / "train/red/1.png").unlink()


def remove_class(folder: Path) -> None:
    shutil.rmtree(folder / "test/red")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "train/red/0.png").write_bytes(b"GIF89a"), r"train/red/0.png: not a readable image"),
        (
            lambda folder: (folder / "train/red/9.png").write_bytes(b""),
            r"train/red/9.png: not a readable image \(it is empty",
        ),
        (
            lambda folder: (folder / "test/red/0.png").write_bytes(picture((1, 2, 3), size=(500, 500))[:5000]),
            r"test/red/0.png: not a readable image",
        ),
        (lambda folder: (folder / "stray.png").write_bytes(picture((1, 2, 3))), r"stray.png is in no class"),
        (keep_one, r"has 1 image of class red in train; allowed: 2 at least"),
        (remove_class, r"has 0 images of class red in test; allowed: 1 at least"),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, spoil: object, message: str) -> None:
    folder = lay_out(tmp_path / "mine", 2, ("train", "test"))
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        own_images.read(folder)


def test_too_little_is_refused(tmp_path: Path) -> None:
    for per_class in (1, 2):
        with pytest.raises(UserError, match=f"has {per_class} images? of class blue, dark; allowed: 3 at least"):
            own_images.read(lay_out(tmp_path / str(per_class), per_class))
    images, *_ = own_images.read(lay_out(tmp_path / "3", 3))
    assert np.bincount(images.test.labels).tolist() == [1, 1, 1]
    (tmp_path / "one" / "class").mkdir(parents=True)
    (tmp_path / "one/class/1.png").write_bytes(picture((1, 2, 3)))
    with pytest.raises(UserError, match=r"the number of classes in .*one is 1; allowed: 2 to 256"):
        own_images.read(tmp_path / "one")
    with pytest.raises(UserError, match=r"fetch.path is .*nowhere; allowed: a directory, tar or zip archive"):
        own_images.read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "a\tb", "a\nb", "a\u2028b"])
def test_a_class_name_that_cannot_be_printed_is_refused(name: str, tmp_path: Path) -> None:
    (lay_out(tmp_path / "mine", 3) / "red").rename(tmp_path / "mine" / name)
    with pytest.raises(
        UserError, match=r"^fetch.path: .*mine has a class named [^\n]*\\[^\n]*; allowed: UTF-8 without"
    ):
        own_images.read(tmp_path / "mine")


def test_classes_and_files_of_any_other_name_are_read(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 5)
    for old, new in (("red", "$x$ ${y}"), ("green", "猫")):
        (folder / old).rename(folder / new)
    before = own_images.read(folder)
    odd = folder / "猫" / os.fsdecode(b"\xe9\n.png")
    (folder / "猫" / "1.png").rename(odd)
    after = own_images.read(folder)
    assert before[1] == after[1] == ("$x$ ${y}", "blue, dark", "猫")
    assert before[2] != after[2]
    odd.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"fetch.path: 猫/\\udce9\\n.png: not a readable image \("):
        own_images.read(folder)
    odd.unlink()
    odd.symlink_to("nowhere")
    with pytest.raises(UserError, match=r"猫/\\udce9\\n.png: a link to nowhere: No such file"):
        own_images.read(folder)


def zipped(path: Path, names: list[str], change: Callable[[zipfile.ZipInfo], None]) -> Path:
    """A zip archive of pictures whose members are changed before they are written."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            member = zipfile.ZipInfo(name)
            change(member)
            archive.writestr(member, picture(COLOURS["red"], number))
    return path


@pytest.mark.parametrize("how", ["without the flag", "in the extra field"])
def test_names_in_utf8_are_read_whatever_an_archive_says_of_them(tmp_path: Path, how: str) -> None:
    names = [f"{folder}/{number}.png" for folder in ("Käfer", "Köfer", "dog") for number in range(3)]
    path = zipped(tmp_path / "mine.zip", names, lambda member: None)
    if how == "without the flag":
        flagged = re.compile(rb"(PK\x03\x04..|PK\x01\x02....)\x00\x08", re.DOTALL)
        path.write_bytes(flagged.sub(lambda found: found[1] + bytes(2), path.read_bytes()))
    else:

        def disguised(member: zipfile.ZipInfo) -> None:
            plain = member.filename.encode("ascii", "replace")
            field = struct.pack("<BI", 1, zlib.crc32(plain)) + member.filename.encode()
            member.extra = struct.pack("<HH", 0x7075, len(field)) + field
            member.filename = plain.decode()

        path = zipped(tmp_path / "other.zip", names, disguised)
    images, classes, _, _ = own_images.read(path)
    assert classes == ("Käfer", "Köfer", "dog")
    assert len(images.train.labels) + len(images.test.labels) == 9


def test_two_archives_in_one_file_and_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    names = [f"{folder}/{number}.png" for folder in ("cat", "dog") for number in range(3)]
    one = zipped(tmp_path / "one.zip", names, lambda member: None)
    (tmp_path / "two.zip").write_bytes(one.read_bytes() * 2)
    with pytest.raises(UserError, match=r"two.zip: not a readable tar or zip archive \(bytes before its first member"):
        own_images.read(tmp_path / "two.zip")
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(tmp_path / "twice.zip", [*names, names[0]], lambda member: None)
    with pytest.raises(UserError, match=r"two members named cat/0.png"):
        own_images.read(twice)


@pytest.mark.parametrize("name", ["", "."])
def test_a_member_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    def nameless(member: zipfile.ZipInfo) -> None:
        member.filename = name

    path = zipped(tmp_path / "mine.zip", ["cat/0.png"], nameless)
    with pytest.raises(UserError, match=r"mine.zip: not a readable tar or zip archive \("):
        own_images.read(path)
