"""Which files of a folder are clutter, and what a person is told of them."""

from pathlib import Path, PurePath

import pytest

from pipeline.images.folders import clutter_notice, files, is_clutter
from tests.conftest import laid_out

CLUTTER = [".DS_Store", "cat/.hidden.png", "cat/Thumbs.db", "cat/thumbs.db", "desktop.ini", "__MACOSX/cat/0.png"]


@pytest.mark.parametrize("name", [*CLUTTER, ".ipynb_checkpoints/0-checkpoint.png", "cat/Desktop.ini"])
def test_what_systems_and_programs_leave_is_clutter(name: str) -> None:
    assert is_clutter(PurePath(name))


@pytest.mark.parametrize("name", ["cat/0.png", "../cat/0.png", "thumbs.db.png", "MACOSX/0.png", "cat", "."])
def test_all_else_is_none(name: str) -> None:
    assert not is_clutter(PurePath(name))


def test_folders_are_searched_and_files_taken_as_they_are_named(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / ".mine", dict.fromkeys([*CLUTTER, "cat/1.png", "cat/0.png", "0.txt"], b"x"))
    (folder / "dog").symlink_to("cat")
    (folder / "gone").symlink_to("nowhere")
    found, unreadable, clutter = files([folder, folder / ".DS_Store", tmp_path / "missing.png"])
    inside = ["0.txt", "cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", ".DS_Store", "../missing.png"]
    assert found == [*(folder / name for name in inside[:-1]), tmp_path / "missing.png"]
    assert unreadable == {folder / "gone": "a link to nowhere: No such file or directory"}
    behind = ["dog/.hidden.png", "dog/Thumbs.db", "dog/thumbs.db"]
    assert sorted(clutter) == sorted(folder / name for name in [*CLUTTER, *behind])


def test_a_folder_that_is_named_and_holds_no_images_is_told(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "mine", {"cat/0.png": b"x", "bird/Thumbs.db": b"x"})
    (folder / "dog").mkdir()
    bird, dog = folder / "bird", folder / "dog"
    assert files([folder]) == ([folder / "cat/0.png"], {}, [bird / "Thumbs.db"])
    assert files([dog, bird])[:2] == ([], {dog: "a folder without images", bird: "a folder without images"})


def test_a_notice_counts_clutter() -> None:
    assert clutter_notice([PurePath("b"), PurePath("a")]) == "passed over 2 hidden or system files, among them a"
