"""What is said of a model that is not here, in a clone with a remote and in one without."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.console.absent import how_to_get

MODEL = Path("models/selected.keras")
TRAINED = "'make repro' trains all in hours ('make plan' says how many)"
QUICK = "'make quick' trains two in some minutes"
NO_REMOTE = "models/selected.keras is missing, and no DVC remote is set from which it could be pulled"


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Repo.init().close()


def test_nothing_is_promised_that_nobody_can_reach() -> None:
    assert how_to_get(MODEL) == f"{NO_REMOTE}; {QUICK}, {TRAINED}"


def test_a_remote_is_named_where_there_is_one() -> None:
    Path(".dvc/config.local").write_text("[core]\n    remote = team\n['remote \"team\"']\n    url = /mnt/team\n")
    fetched = "'dvc pull models/selected.keras' fetches it if it was pushed to the remote team"
    assert how_to_get(MODEL) == f"models/selected.keras is missing; {fetched}, {QUICK}, {TRAINED}"


def test_what_make_quick_has_trained_is_named() -> None:
    Path("quick/models").mkdir(parents=True)
    Path("quick/models/selected.keras").touch()
    taken = "'--model quick/models/selected.keras' takes the one that 'make quick' has trained"
    assert how_to_get(MODEL) == f"{NO_REMOTE}; {taken}, {TRAINED}"


def test_a_model_of_ones_own_is_no_output_of_the_project() -> None:
    assert how_to_get(Path("mine/a.keras")) == "mine/a.keras is missing; allowed: a .keras file of this project"
