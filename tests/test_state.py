"""The store of states by itself: what it gives back, refuses and cleans up."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.common import state
from pipeline.common.command import UserError

RUN, OTHER = "0" * 20, "1" * 20
OUTPUTS = Path("metrics/run.json")
ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.float32)]


@pytest.fixture(autouse=True)
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(state.VARIABLE, str(tmp_path / "states"))
    return tmp_path / "states" / "cifar10-dense-study"


def test_what_was_saved_is_given_back() -> None:
    with state.opened(RUN, OUTPUTS) as store:
        assert store.load("seed-100") is None
        assert store.save("seed-100", ARRAYS, {"epoch": 3, "loss": 0.1})
        arrays, facts = store.load("seed-100") or ([], {})
    assert facts == {"epoch": 3, "loss": 0.1}
    assert [array.tobytes() for array in arrays] == [array.tobytes() for array in ARRAYS]


def test_a_flipped_bit_is_noticed(states: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with state.opened(RUN, OUTPUTS) as store:
        store.save("seed-100", ARRAYS, {})
        path = states / RUN / "seed-100.state"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert store.load("seed-100") is None
    assert f"{path} is damaged and ignored" in capsys.readouterr().err


def test_nothing_is_left_of_a_run_that_was_removed(states: Path) -> None:
    with state.opened(RUN, OUTPUTS) as store:
        store.save("seed-100", ARRAYS, {})
        store.remove()
    assert list(states.iterdir()) == []


def test_cleaning_spares_the_run_that_is_being_trained_and_all_that_is_not_ours(states: Path) -> None:
    for run in (RUN, OTHER):
        with state.opened(run, OUTPUTS) as store:
            store.save("seed-100", ARRAYS, {})
    (states / "Documents").mkdir()
    with state.opened(OTHER, OUTPUTS):
        removed, kept = state.clean()
    assert removed.startswith(f"removed {states / RUN} (")
    assert kept.startswith(f"kept {states / OTHER}: process {os.getpid()} on ")
    assert sorted(path.name for path in states.iterdir()) == [OTHER, "Documents"]


def test_two_runs_cannot_write_the_same_outputs(states: Path) -> None:
    with (
        state.opened(RUN, OUTPUTS),
        pytest.raises(UserError, match=f"process {os.getpid()} on .* is training this run; stop it, and run again"),
        state.opened(OTHER, OUTPUTS),
    ):
        pass


def test_a_store_that_was_emptied_by_others_ends_well(states: Path) -> None:
    with state.opened(RUN, OUTPUTS) as store:
        shutil.rmtree(states)
        assert store.save("seed-100", ARRAYS, {})
        store.remove()


def test_what_a_kill_in_writing_left_is_removed(states: Path) -> None:
    (states / RUN).mkdir(parents=True)
    (states / RUN / ".123-seed-100.state").write_bytes(b"half")
    with state.opened(RUN, OUTPUTS):
        assert list((states / RUN).iterdir()) == []


def test_states_that_another_process_waits_for_are_left_to_it(states: Path) -> None:
    with state.opened(RUN, OUTPUTS) as store:
        store.save("seed-100", ARRAYS, {})
        (states / f"{RUN}.wanted").touch()
        store.remove()
        assert store.load("seed-100") is not None


def test_a_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(state.VARIABLE, "states")
    with pytest.raises(UserError, match="CIFAR10_STATE is states; allowed: an absolute path"):
        state.folder()
