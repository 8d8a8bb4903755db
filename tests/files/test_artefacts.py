import errno
import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.files import artefacts


def test_json_is_sorted_and_rounded(tmp_path: Path) -> None:
    artefacts.write_json(tmp_path / "a.json", {"b": [1 / 3, 2], "a": {"z": 0.1 + 0.2, "y": True}})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": {"y": True, "z": 0.3}, "b": [0.333333, 2]}
    assert text.index('"a"') < text.index('"b"')


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    artefacts.write_array(path, np.arange(3))
    with pytest.raises(RuntimeError), artefacts.atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert np.load(path).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_with_the_same_process_id_do_not_meet(tmp_path: Path) -> None:
    """In containers that share a folder, they are two processes."""
    path = tmp_path / "a.txt"
    with artefacts.atomic_write(path) as one:
        one.write_text("one")
        with artefacts.atomic_write(path) as other:
            assert socket.gethostname() in other.name
            other.write_text("other")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made(tmp_path: Path) -> None:
    artefacts.write_text(tmp_path / "a" / "b" / "c.txt", "text\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"text\n"


@pytest.mark.parametrize(
    "write",
    [
        lambda path: artefacts.write_text(path, "x" * 2**20),
        lambda path: artefacts.write_json(path, ["x" * 100] * 10_000),
        lambda path: artefacts.write_csv(path, [{"x": "x" * 100}] * 10_000),
        lambda path: artefacts.write_array(path, np.zeros(2**20, np.uint8)),
        # Written in parts, as a memory-mapped array is.
        lambda path: artefacts.write_array(path, np.zeros((2**11, 2**10), np.uint8)[:, ::2]),
    ],
    ids=["text", "json", "csv", "array", "view"],
)
def test_a_full_disk_is_told_with_the_file_and_leaves_the_old_one(
    small_disk: tuple[Path, str], write: Callable[[Path], None]
) -> None:
    folder, reason = small_disk
    path = folder / "made" / "file"
    artefacts.write_text(path, "before")
    with pytest.raises(OSError, match=reason) as caught:
        write(path)
    assert (caught.value.filename, caught.value.strerror) == (str(path), reason)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    with artefacts.all_or_none(folder):
        artefacts.write_text(folder / "a", "a")
    assert [path.name for path in folder.iterdir()] == ["a"]
    with pytest.raises(KeyboardInterrupt), artefacts.all_or_none(folder):
        artefacts.write_text(folder / "b", "b")
        raise KeyboardInterrupt
    assert not folder.exists()


def test_where_no_folder_can_be_made_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        artefacts.write_text(tmp_path / "models" / "file", "x")


def test_another_file_that_is_missing_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, artefacts.atomic_write(tmp_path / "copy"):
        (tmp_path / "source").read_bytes()
    assert caught.value.filename == str(tmp_path / "source")


def test_a_reason_of_several_lines_becomes_the_systems(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught, artefacts.naming(tmp_path):
        raise OSError(errno.ENOSPC, "Can't write\nfile name = 'a'")
    assert (caught.value.strerror, caught.value.filename) == ("No space left on device", str(tmp_path))


def test_an_array_has_numpys_bytes(tmp_path: Path) -> None:
    array = np.arange(2**18, dtype=np.float32).reshape(2**9, 2**9).T
    np.save(tmp_path / "a.npy", array)
    artefacts.write_array(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
