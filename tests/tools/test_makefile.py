"""What make says before any stage or tool starts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WITHOUT_PIP = """#!/bin/sh
[ "$2" = venv ] || exec {python} "$@"
{python} "$@" --without-pip
cd .venv/lib/python*/site-packages && mkdir pip && touch pip/__init__.py pip/__main__.py
"""


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Makefile beside an environment of another Python, which is up to date."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.99.1\n")
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def test_every_target_is_listed() -> None:
    listed = {line.split()[0] for line in make(ROOT, "help").stdout.splitlines()}
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared is not None
    # It is asked for by others alone.
    assert listed == {".venv", *declared[1].split()} - {"same-python"}


def test_another_python_than_that_of_the_environment_is_refused(folder: Path) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said = (
        f'.venv is an environment of Python 3.99, and PYTHON={sys.executable} is {here}; "rm -r .venv" has it made anew'
    )
    for ended in (
        make(folder, f"PYTHON={sys.executable}", "same-python"),
        make(folder, "same-python", PYTHON=sys.executable),
    ):
        assert ended.returncode == 2
        assert ended.stderr.splitlines()[0] == said
    # Nobody has asked for one.
    assert make(folder, "same-python").returncode == 0
    (folder / ".venv/pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {here}.0\n")
    assert make(folder, f"PYTHON={sys.executable}", "same-python").returncode == 0


def test_an_environment_that_is_made_anew_anyway_may_be_of_any_python(folder: Path) -> None:
    (folder / ".venv/installed").unlink()
    assert make(folder, f"PYTHON={sys.executable}", "same-python").returncode == 0
    assert "-m venv --clear .venv" in make(folder, f"PYTHON={sys.executable}", "--dry-run", ".venv").stdout


def test_a_new_environment_knows_the_project(folder: Path) -> None:
    """The recipe without pip and its packages: they take minutes."""
    python = folder / "python"
    python.write_text(WITHOUT_PIP.format(python=sys.executable))
    python.chmod(0o755)
    shutil.rmtree(folder / ".venv")
    ended = make(folder, f"PYTHON={python}", ".venv")
    assert ended.returncode == 0, ended.stderr
    (folder / "pipeline").mkdir()
    (folder / "pipeline/__init__.py").write_text("print('found')")
    words = [str(folder / ".venv/bin/python"), "-c", "import pipeline"]
    assert subprocess.run(words, cwd="/", capture_output=True, text=True, check=False).stdout == "found\n"
