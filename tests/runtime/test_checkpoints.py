"""Checkpoints by themselves: what they give back, refuse and clean up."""

import errno
import fcntl
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.runtime import checkpoints, sources
from tests.conftest import ROOT

RUN, OTHER = "0" * 20, "1" * 20
OUTPUTS = Path("metrics/run.json")
ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.float32)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(checkpoints.VARIABLE, str(tmp_path / "states"))
    (tmp_path / "work-tree").mkdir()
    monkeypatch.chdir(tmp_path / "work-tree")
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


def stop(run: str, outputs: str, epochs: int = 3) -> None:
    """Leave what a run leaves that was stopped after ``epochs``."""
    with checkpoints.open_checkpoints(run, Path(outputs)) as saved:
        saved.save("seed-100", ARRAYS, {"epochs": [{}] * epochs})


def cleaned(*, all_work_trees: bool = False) -> list[str]:
    return list(checkpoints.clean(all_work_trees=all_work_trees))


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    return folder


def test_cleaning_spares_the_run_that_is_being_trained_and_all_that_is_not_ours(folder: Path) -> None:
    for run in (RUN, OTHER):
        stop(run, "models/scale/deep/seed-100.keras")
    (folder / "Documents").mkdir()
    with checkpoints.open_checkpoints(OTHER, OUTPUTS):
        removed, kept = cleaned(all_work_trees=True)
    assert removed.startswith(f"removed {folder / RUN}: scale/deep, seed 100 after epoch 3, 0 min old, 0.0 MB, of ")
    assert kept.startswith(f"kept {folder / OTHER}: ")
    assert f"process {os.getpid()} on " in kept
    assert sorted(path.name for path in folder.iterdir()) == [OTHER, "Documents"]


def test_cleaning_names_what_another_work_tree_left_and_removes_it_only_when_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    work_in(theirs, monkeypatch)
    stop(OTHER, "models/scale/deep/seed-100.keras", epochs=12)
    (folder / OTHER / "weights").write_bytes(bytes(2_345_678))
    work_in(mine, monkeypatch)
    stop(RUN, "models/baseline/seed-100.keras")
    written = time.time() - 3 * 3600
    os.utime(folder / OTHER / "seed-100.checkpoint", (written, written))
    description = (
        f"{folder / OTHER}: scale/deep, seed 100 after epoch 12, 3 h old, 2.3 MB, of {theirs} on {socket.gethostname()}"
    )
    removed, kept = cleaned()
    assert removed.startswith(f"removed {folder / RUN}: baseline, seed 100 after epoch 3, 0 min old, ")
    assert kept == f"kept {description}; 'make clean-state ALL=1' removes it"
    assert [path.name for path in folder.iterdir()] == [OTHER]
    assert cleaned(all_work_trees=True) == [f"removed {description}"]
    assert list(folder.iterdir()) == []


def test_a_run_that_two_work_trees_trained_is_of_neither_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [work_in(tmp_path / name, monkeypatch) for name in ("mine", "theirs", "mine")]
    for place in places:
        work_in(place, monkeypatch)
        stop(RUN, "models/baseline/seed-100.keras")
    (kept,) = cleaned()
    assert kept.startswith("kept ")
    assert all(str(place) in kept for place in places)


def test_the_same_folder_of_another_host_is_another_work_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "elsewhere")
        stop(RUN, "models/baseline/seed-100.keras")
    (kept,) = cleaned()
    assert f"of {Path.cwd()} on elsewhere; 'make clean-state ALL=1' removes it" in kept


def test_an_experiment_in_a_folder_of_dvcs_is_of_the_work_tree_it_was_started_from(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_in(tmp_path / "mine/.dvc/tmp/exps/standalone/tmp1", monkeypatch)
    stop(RUN, "models/baseline/seed-100.keras")
    work_in(tmp_path / "mine/inner", monkeypatch)
    stop(OTHER, "models/baseline/seed-100.keras")
    work_in(tmp_path / "mine", monkeypatch)
    assert [line.partition(" ")[0] for line in cleaned()] == ["removed", "kept"]
    assert [path.name for path in folder.iterdir()] == [OTHER]


@pytest.mark.parametrize("record", [None, b"{", b"[]", b'{"run": "baseline"}', b"\xff"])
def test_a_state_that_does_not_say_whose_it_is_stays(
    folder: Path, record: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(RUN, "models/baseline/seed-100.keras")
    path = folder / RUN / "run.json"
    path.unlink() if record is None else path.write_bytes(record)
    (kept,) = cleaned()
    assert kept.startswith(f"kept {folder / RUN}: unknown run, seed 100 after epoch 3, 0 min old, ")
    assert kept.endswith("of an unknown folder; 'make clean-state ALL=1' removes it")
    assert (f"warning: {path} cannot be read" in capsys.readouterr().err) == (record is not None)
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.load("seed-100") is not None


def test_a_state_without_a_checkpoint_and_one_that_is_damaged_are_cleaned_too(folder: Path) -> None:
    for run in (RUN, OTHER):
        stop(run, "models/baseline/seed-100.keras")
    (folder / RUN / "seed-100.checkpoint").write_bytes(b"half")
    (folder / OTHER / "seed-100.checkpoint").unlink()
    damaged, none = cleaned()
    assert "baseline, seed 100 after epoch ?, " in damaged
    assert "baseline, before its first checkpoint, " in none
    assert list(folder.iterdir()) == []


def test_two_runs_cannot_write_the_same_outputs(folder: Path) -> None:
    with (
        checkpoints.open_checkpoints(RUN, OUTPUTS),
        pytest.raises(UserError, match=f"process {os.getpid()} on .* is training this run; stop it, and run again"),
        checkpoints.open_checkpoints(OTHER, OUTPUTS),
    ):
        pass


def test_a_folder_of_any_name_can_hold_a_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "\u6f22\udcff").mkdir()
    monkeypatch.chdir(tmp_path / "\u6f22\udcff")
    with (
        checkpoints.open_checkpoints(RUN, OUTPUTS),
        pytest.raises(UserError, match=r"in .*/\u6f22\? is training this run"),
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
        assert not list((folder / RUN).glob("*.checkpoint"))


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


WAITER = """
from pathlib import Path
from pipeline.runtime import checkpoints
with checkpoints.open_checkpoints("{run}", Path("elsewhere/run.json")):
    pass
"""


def test_a_waiter_that_is_killed_leaves_nothing_to_go_on_from(folder: Path) -> None:
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        waiter = subprocess.Popen(
            [sys.executable, "-c", WAITER.format(run=RUN)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert waiter.stderr is not None
        assert "waiting for it" in waiter.stderr.readline()
        waiter.kill()
        waiter.communicate()
        saved.remove()
    assert not (folder / RUN).exists()
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.load("seed-100") is None


def test_checkpoints_that_cannot_be_removed_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        saved.save("seed-100", ARRAYS, {})
        monkeypatch.setattr(shutil, "rmtree", refuse)
        saved.remove()
    assert f"{folder / RUN} cannot be removed (Permission denied)" in capsys.readouterr().err


# Takes the locks of a run and holds them until it is killed, or its input ends.
HOLDER = """
import sys
from pathlib import Path
from pipeline.runtime.checkpoints import open_checkpoints

with open_checkpoints(sys.argv[1], Path("models/run.keras")) as saved:
    print("holds", saved.load("seed-100"), flush=True)
    sys.stdin.read()
"""


class Container:
    """A process on a host of its own, with a process id that the other's has too, and ``work_tree`` at ``mounted``."""

    def __init__(self, host: str, work_tree: Path, mounted: Path, run: str) -> None:
        for path in (work_tree, mounted):
            path.mkdir(exist_ok=True)
        inside = 'hostname "$0" && mount --bind "$1" "$2" && cd "$2" && exec "$3" -c "$4" "$5"'
        namespaces = ("--map-root-user", "--uts", "--mount", "--pid", "--fork", "--kill-child")
        self.process = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", inside, host, work_tree, mounted, sys.executable, HOLDER, run],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def line(self, stream: str) -> str:
        """What it says next; empty where it has ended."""
        return str(getattr(self.process, stream).readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def containers() -> Iterator[Callable[..., Container]]:
    started: list[Container] = []

    def start(*words: object) -> Container:
        started.append(Container(*words))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for container in started:
        container.kill()


def test_containers_with_the_same_path_on_different_hosts_do_not_keep_each_other_from_different_runs(
    tmp_path: Path, containers: Callable[..., Container]
) -> None:
    mounted = tmp_path / "app"
    for host, run in (("host-a", RUN), ("host-b", OTHER)):
        assert containers(host, tmp_path / host, mounted, run).line("stdout") == "holds None\n"


def test_the_same_run_is_trained_by_one_of_them_and_by_the_other_when_that_is_killed(
    tmp_path: Path, containers: Callable[..., Container]
) -> None:
    first = containers("host-a", tmp_path / "host-a", tmp_path / "app", RUN)
    assert first.line("stdout") == "holds None\n"
    second = containers("host-b", tmp_path / "host-b", tmp_path / "app", RUN)
    said = f"warning: process 1 on host-a in {tmp_path / 'app'} is training the same run; waiting for it\n"
    assert second.line("stderr") == said
    assert second.process.stdout is not None
    assert select.select([second.process.stdout.fileno()], [], [], 0.5)[0] == []
    first.kill()
    assert second.line("stdout") == "holds None\n"


def test_a_folder_without_locks_is_named_and_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock that is a file instead would outlive a holder that was killed on another host."""

    def flock(file: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.save("seed-100", ARRAYS, {})
    monkeypatch.setattr(fcntl, "flock", flock)
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.load("seed-100") is None
        assert not saved.save("seed-100", ARRAYS, {})
    outputs, state = capsys.readouterr().err.splitlines()
    assert f"Function not implemented; nothing keeps another process from writing {OUTPUTS} too" in outputs
    assert state.startswith(f"warning: {folder / RUN}.lock: Function not implemented; training goes on")


def test_a_run_goes_on_from_its_checkpoint_where_the_disk_is_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write_json(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        assert saved.save("seed-100", ARRAYS, {"epoch": 3})
    monkeypatch.setattr(checkpoints, "write_json", write_json)
    with checkpoints.open_checkpoints(RUN, OUTPUTS) as saved:
        loaded = saved.load("seed-100")
    assert loaded is not None
    assert loaded[1] == {"epoch": 3}
    assert "No space left on device; training goes on, but a kill would lose it" in capsys.readouterr().err


def test_one_work_tree_at_two_places_is_one(tmp_path: Path, containers: Callable[..., Container]) -> None:
    first = containers("host-a", tmp_path / "shared", tmp_path / "app", RUN)
    assert first.line("stdout") == "holds None\n"
    second = containers("host-b", tmp_path / "shared", tmp_path / "elsewhere", OTHER)
    _, errors = second.process.communicate()
    assert re.search("UserError: process 1 on host-a in .*/app is training this run; stop it", errors)


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
        ("tensorflow", "installed", True),
        ("keras", "installed", True),
        ("matplotlib", "installed", False),
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
