"""Checkpoints by themselves: what they give back, refuse and clean up."""

import os
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.runtime import checkpoints, sources

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


def test_a_second_process_waits_for_the_lock_and_then_trains_by_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[object] = []
    has_waited = threading.Event()

    def second() -> None:
        with checkpoints.open_checkpoints(RUN, Path("elsewhere/run.json")) as saved:
            has_waited.set()
            found.append(saved.load("seed-100"))
            saved.remove()

    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not has_waited.wait(0.5)
        saved.remove()
    waiting.join(timeout=60)
    assert found == [None]
    assert f"process {os.getpid()} on {socket.gethostname()}" in (said := capsys.readouterr().err)
    assert "is training the same run; waiting for it" in said
    assert list(folder.iterdir()) == []


IMAGES = Split(np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 1], np.uint8))
OTHER_IMAGES = Split(np.ones((2, 32, 32, 3), np.uint8), IMAGES.labels)
OTHER_LABELS = Split(IMAGES.images, np.array([1, 0], np.uint8))
TRAINING = "pipeline.training.run"


def test_a_run_is_known_by_its_configuration_images_labels_and_module() -> None:
    keys = [
        checkpoints.run_key(configuration, splits, module)
        for configuration, splits, module in (
            ({"seed": 100}, (IMAGES, IMAGES), TRAINING),
            ({"seed": 101}, (IMAGES, IMAGES), TRAINING),
            ({"seed": 100}, (OTHER_IMAGES, IMAGES), TRAINING),
            ({"seed": 100}, (IMAGES, OTHER_LABELS), TRAINING),
            ({"seed": 100}, (IMAGES, IMAGES), "pipeline.search.run"),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert checkpoints.run_key({"seed": 100}, (IMAGES, IMAGES), TRAINING) == keys[0]


@pytest.mark.parametrize(
    ("replaced", "of", "changes"),
    [
        ("pipeline.training.program", "digest", True),
        ("pipeline.networks.dense", "digest", True),
        ("pipeline.runtime.signals", "digest", False),
        ("pipeline.search.trials", "digest", False),
        ("tensorflow", "version", True),
        ("keras", "version", True),
        ("matplotlib", "version", False),
    ],
)
def test_a_run_is_known_by_the_code_and_the_libraries_that_train_it(
    monkeypatch: pytest.MonkeyPatch, replaced: str, of: str, changes: bool
) -> None:
    before = checkpoints.run_key({}, (IMAGES,), TRAINING)
    place = sources if of == "digest" else checkpoints
    own = getattr(place, of)
    monkeypatch.setattr(place, of, lambda name: "another" if name == replaced else own(name))
    assert (checkpoints.run_key({}, (IMAGES,), TRAINING) != before) == changes


def test_a_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoints.VARIABLE, "states")
    with pytest.raises(UserError, match="CIFAR10_STATE is states; allowed: an absolute path"):
        checkpoints.folder()
