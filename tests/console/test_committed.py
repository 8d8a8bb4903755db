"""Which test scores are said to have changed since the last commit."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.console import committed
from pipeline.files.runs import Run

DEEP, WIDE, BASELINE = Run("scale", "deep"), Run("scale", "wide"), Run("baseline", "baseline")


def entry(accuracy: float, f1: float = 0.4, n: int = 2) -> dict[str, Any]:
    return {"n": n, "test": {"accuracy": {"mean": accuracy, "std": 0.01}, "f1": {"mean": f1, "std": 0.01}}}


def write(group: str, content: Mapping[str, Any] | str) -> None:
    Path("metrics").mkdir(exist_ok=True)
    Path(f"metrics/{group}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def commit() -> None:
    for words in (["add", "--all"], ["commit", "--quiet", "--no-gpg-sign", "--message", "Figures"]):
        subprocess.run(["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words], check=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a repository, whose last commit has figures of two groups."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    write("scale", {"deep": entry(0.5)})
    write("baseline", entry(0.3))
    commit()


def test_what_is_as_committed_is_not_marked() -> None:
    assert committed.changed([DEEP, BASELINE]) == {}


def test_a_changed_score_a_changed_number_of_seeds_and_a_new_run_are_marked() -> None:
    write("scale", {"deep": entry(0.5, f1=0.45), "wide": entry(0.6)})
    write("baseline", entry(0.3, n=3))
    assert committed.changed([DEEP, WIDE, BASELINE]) == {
        DEEP: "0.5000 ± 0.0100",
        WIDE: "new",
        BASELINE: "0.3000 ± 0.0100",
    }
    commit()
    assert committed.changed([DEEP, WIDE, BASELINE]) == {}


def test_without_committed_figures_nothing_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("tune", {"final": entry(0.5)})
    assert committed.changed([Run("tune", "final")]) == {}
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    write("scale", {"deep": entry(0.7)})
    assert committed.changed([DEEP]) == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"deep": {"n": 2}}', '{"deep": {"n": 2, "test": {"accuracy": 1}}}'])
def test_damaged_figures_in_the_commit_are_said(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("scale", content)
    commit()
    write("scale", {"deep": entry(0.7)})
    write("baseline", entry(0.4))
    assert committed.changed([DEEP, BASELINE]) == {BASELINE: "0.3000 ± 0.0100"}
    assert "metrics/scale.json of the last commit is damaged: nothing is compared with it" in capsys.readouterr().err
