"""Checkpoints by themselves: what they give back, refuse and clean up."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.files.errors import UserError
from pipeline.runtime import checkpoints

RUN, OTHER = "0" * 20, "1" * 20
OUTPUTS = Path("metrics/run.json")
ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.float32)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(checkpoints.VARIABLE, str(tmp_path / "states"))
    return tmp_path / "states" / "cifar10-dense-study"


def test_what_was_saved_is_given_back() -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.load("seed-100") is None
        assert saved.save("seed-100", ARRAYS, {"epoch": 3, "loss": 0.1})
        arrays, metadata = saved.load("seed-100") or ([], {})
    assert metadata == {"epoch": 3, "loss": 0.1}
    assert [array.tobytes() for array in arrays] == [array.tobytes() for array in ARRAYS]


def test_a_flipped_bit_is_noticed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        path = folder / RUN / "seed-100.checkpoint"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert saved.load("seed-100") is None
    assert f"{path} is damaged and ignored" in capsys.readouterr().err


def test_nothing_is_left_of_a_run_that_was_removed(folder: Path) -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        saved.remove()
    assert list(folder.iterdir()) == []


def test_cleaning_spares_the_run_that_is_being_trained_and_all_that_is_not_ours(folder: Path) -> None:
    for run in (RUN, OTHER):
        with checkpoints.open_checkpoints(run, OUTPUTS) as saved:
            saved.save("seed-100", ARRAYS, {})
    (folder / "Documents").mkdir()
    with checkpoints.open_checkpoints(OTHER, OUTPUTS):
        removed, kept = checkpoints.clean()
    assert removed.startswith(f"removed {folder / RUN} (")
    assert kept.startswith(f"kept {folder / OTHER}: process {os.getpid()} on ")
    assert sorted(path.name for path in folder.iterdir()) == [OTHER, "Documents"]


def test_two_runs_cannot_write_the_same_outputs(folder: Path) -> None:
    with (
        checkpoints.open_checkpoints(RUN, OUTPUTS),
        pytest.raises(UserError, match=f"process {os.getpid()} on .* is training this run; stop it, and run again"),
        checkpoints.open_checkpoints(OTHER, OUTPUTS),
    ):
        pass


def test_checkpoints_that_others_removed_end_well(folder: Path) -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        shutil.rmtree(folder)
        assert saved.save("seed-100", ARRAYS, {})
        saved.remove()


def test_what_a_kill_in_writing_left_is_removed(folder: Path) -> None:
    (folder / RUN).mkdir(parents=True)
    (folder / RUN / ".123-seed-100.checkpoint").write_bytes(b"half")
    with checkpoints.open_checkpoints(RUN, OUTPUTS):
        assert list((folder / RUN).iterdir()) == []


def test_checkpoints_that_another_process_waits_for_are_left_to_it(folder: Path) -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        (folder / f"{RUN}.wanted").touch()
        saved.remove()
        assert saved.load("seed-100") is not None


def test_a_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoints.VARIABLE, "states")
    with pytest.raises(UserError, match="CIFAR10_STATE is states; allowed: an absolute path"):
        checkpoints.folder()
