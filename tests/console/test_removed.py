"""What a person is told when DVC removed a stage's committed outputs and the stage then failed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.console import command
from pipeline.console.removed import how_to_restore
from pipeline.files.errors import UserError

GRAPH = """
stages:
  report:
    cmd: "true"
    outs: [data/raw, {a note.txt: {cache: false}}]
    metrics: [{metrics/a.json: {cache: false}}]
    plots: [{metrics/figures: {cache: false}}]
  other:
    cmd: "true"
    metrics: [{metrics/b.json: {cache: false}}]
"""
FILES = ("a note.txt", "data/raw/images", "metrics/a.json", "metrics/b.json", "metrics/figures/1.png")


def git(*words: str) -> None:
    subprocess.run(["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words], check=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with both stages' outputs, in git or in DVC's cache; DVC runs ``report``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "report")
    git("init", "--quiet")
    with Repo.init() as repo:
        Path("dvc.yaml").write_text(GRAPH)
        for name in FILES:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(name)
        repo.commit(force=True)
    git("add", "--all")
    git("commit", "--quiet", "--no-gpg-sign", "--message", "All")
    return tmp_path


def remove(*names: str) -> None:
    for name in names:
        shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()


def test_where_nothing_is_missing_nothing_is_said() -> None:
    assert how_to_restore() is None


def test_what_git_has_not_or_another_stage_writes_is_not_named() -> None:
    remove("data/raw", "metrics/b.json")
    git("rm", "--quiet", "--cached", "metrics/a.json")
    remove("metrics/a.json")
    assert how_to_restore() is None


def test_what_is_named_brings_all_back() -> None:
    missing = ("a note.txt", "metrics/a.json", "metrics/figures")
    remove(*missing, "data/raw", "metrics/b.json")
    said = how_to_restore() or ""
    commands = "git checkout -- 'a note.txt' metrics/a.json metrics/figures && dvc checkout report"
    assert said == (
        "DVC removed 'a note.txt' metrics/a.json metrics/figures before the stage ran; "
        f'"{commands}" brings back what was there'
    )
    subprocess.run(["sh", "-ec", commands.replace("dvc ", f"{sys.executable} -m dvc ")], check=True)
    assert [Path(name).exists() for name in FILES] == [name != "metrics/b.json" for name in FILES]


def test_only_what_is_missing_is_named_and_dvc_only_where_it_can_help() -> None:
    remove("metrics/a.json")
    expected = 'DVC removed metrics/a.json before the stage ran; "git checkout -- metrics/a.json" brings back'
    assert (how_to_restore() or "").startswith(expected)
    remove("data/raw", ".dvc/cache")
    assert (how_to_restore() or "").startswith(expected)


def test_a_stage_that_a_person_calls_has_lost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    remove("metrics/a.json")
    monkeypatch.delenv("DVC_STAGE")
    assert how_to_restore() is None


def test_the_folder_of_an_experiment_is_nobodys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("clone", "--quiet", ".", ".dvc/tmp/exps/standalone/tmp1")
    monkeypatch.chdir(folder / ".dvc/tmp/exps/standalone/tmp1")
    remove("metrics/a.json")
    assert how_to_restore() is None


def test_a_graph_that_cannot_be_read_hides_no_message() -> None:
    remove("metrics/a.json")
    Path("dvc.yaml").write_text("stages: {")
    assert how_to_restore() is None


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("wrong"), 1, "fetch: wrong\n"),
        (KeyboardInterrupt(), 130, "fetch: interrupted\n"),
        (OSError(28, "No space left on device", "data"), 1, "fetch: data: No space left on device\n"),
    ],
)
def test_the_line_follows_the_message(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> None:
        remove("metrics/a.json")
        raise error

    monkeypatch.setattr(sys, "argv", ["fetch.py"])
    with pytest.raises(SystemExit) as ended:
        command.run(main)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (code, 2)
    assert said.startswith(f"{message}fetch: DVC removed metrics/a.json before the stage ran; ")


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        remove("metrics/a.json")
        raise RuntimeError

    monkeypatch.setattr(sys, "argv", ["fetch.py"])
    with pytest.raises(RuntimeError):
        command.run(main)
    assert "git checkout -- metrics/a.json" in capsys.readouterr().err
