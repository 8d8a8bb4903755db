import json
import socket
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
