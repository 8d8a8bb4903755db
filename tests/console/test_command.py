"""How a command ends, as a process of its own: what it prints, and its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose ``main`` has this one-line ``body``."""
    program = f"import sys; from pipeline.console import command\ndef main(): {body}\nsys.argv = ['stage.py']\n"
    words = [sys.executable, "-c", program + "command.run(main)"]
    outer = {name: value for name, value in os.environ.items() if name not in ASCII | C_LOCALE}
    return subprocess.run(words, cwd=ROOT, env=outer | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("environment", [ASCII, C_LOCALE], ids=["variable", "locale"])
@pytest.mark.parametrize(
    "printing",
    [
        "print('0.61 \\u00b1 0.01 \\u6f22 \\udcff')",
        "from rich.console import Console; Console().print('0.61 \\u00b1 0.01 \\u6f22 \\udcff')",
    ],
    ids=["print", "rich"],
)
def test_a_console_that_cannot_show_a_character_ends_no_command(printing: str, environment: dict[str, str]) -> None:
    ended = run(printing, **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("0.61 ")
    assert "\\u6f22" in ended.stdout


def test_an_error_is_one_line_whatever_the_names_in_it_hold() -> None:
    ended = run("from pipeline.files.errors import UserError; raise UserError('a\\nb is no \\u6f22')", **ASCII)
    assert (ended.returncode, ended.stderr) == (1, "stage: a b is no \\u6f22\n")


def test_too_little_memory_is_one_line() -> None:
    ended = run("import numpy; numpy.ones(2**62, 'u1')")
    assert ended.returncode == 1
    assert ended.stderr.startswith("stage: Unable to allocate 4.00 EiB")
    assert ended.stderr.endswith(": this machine has too little memory for it\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["pipeline.fingerprint", "tools.tidy"])
def test_a_command_called_from_a_subfolder_names_the_root(module: str) -> None:
    """An environment that make has made knows where the project lies, as PYTHONPATH says here."""
    words, environment = [sys.executable, "-m", module], os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, cwd=ROOT / "metrics", env=environment, capture_output=True, text=True, check=False)
    said = f"{module.rpartition('.')[2]}: this folder has no dvc.yaml; call it from the project's root: cd {ROOT}\n"
    assert (ended.returncode, ended.stderr) == (2, said)


def test_of_two_clones_that_share_an_environment_the_one_around_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "dvc.yaml").touch()
    words, environment = [sys.executable, "-m", "pipeline.fingerprint"], os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, cwd=tmp_path / "docs", env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr.endswith(f"call it from the project's root: cd {tmp_path}\n")


def test_an_error_of_the_system_names_its_file() -> None:
    ended = run("open('nowhere.json')")
    assert (ended.returncode, ended.stderr) == (1, "stage: nowhere.json: No such file or directory\n")


def test_output_that_nobody_reads_any_more_is_no_error() -> None:
    program = (
        "from pipeline.console import command\ndef main():\n  for n in range(100_000): print(n)\ncommand.run(main)"
    )
    for shell, code in (("| head -n 1", "141"), (">&-", "0")):
        ended = subprocess.run(
            ["bash", "-c", f'"$0" -c "$1" {shell}; echo "${{PIPESTATUS[0]}}" >&2', sys.executable, program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.stderr == f"{code}\n"
