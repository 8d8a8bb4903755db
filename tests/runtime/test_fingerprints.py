"""What a stage is recorded under, and what stops a stage whose code or libraries are others."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from pipeline import fingerprint
from pipeline.files.errors import UserError
from pipeline.runtime import fingerprints, sources
from tests.conftest import ROOT, environment

STAGES = fingerprints.STAGES
# They read parameters, fetch archives, keep processes apart or show what goes on, and change no byte of a result.
BESIDE = {
    "typing_extensions",
    "dvc",
    "filelock",
    "grpc",
    "platformdirs",
    "pydantic",
    "pydantic_core",
    "requests",
    "rich",
    "ruamel",
    "urllib3",
}
BESIDE |= {"yaml"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code, the lock and the fingerprints, which the fingerprints are now of."""
    for name in ("pipeline", "fingerprints"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    return tmp_path


def change(stage: str, part: str, name: str, value: str | None) -> None:
    """Record ``value`` in the fingerprint of ``stage``; None removes the entry."""
    path = fingerprints.path_of(stage)
    content: dict[str, Any] = json.loads(path.read_text())
    content[part].pop(name, None)
    if value is not None:
        content[part][name] = value
    path.write_text(json.dumps(content))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_what_git_keeps_is_of_the_code_and_the_lock_and_passes(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    recorded = json.loads(fingerprints.path_of(stage).read_text(encoding="utf-8"))
    assert recorded == fingerprints.locked(stage), "run 'dvc repro fingerprint'"
    fingerprints.check(stage)


def test_dvc_lock_is_of_the_code_and_the_lock() -> None:
    """An edit that changes no fingerprint makes their own stage stale all the same: `dvc repro fingerprint`."""
    with Repo(str(ROOT)) as repo:
        assert repo.status(["fingerprint"]) == {}


def test_every_fingerprint_is_of_a_stage() -> None:
    assert {path.name for path in (ROOT / "fingerprints").iterdir()} == {f"{stage}.json" for stage in STAGES}


# Imports every stage as if it were the first, and lists for each the modules of ours that this imported.
LISTING = """
import importlib, json, sys
found = {}
for stage in sys.argv[1:]:
    importlib.import_module(f"pipeline.{stage}")
    found[stage] = sorted(name for name in sys.modules if name.partition(".")[0] in ("pipeline", "tools"))
    for name in found[stage]:
        del sys.modules[name]
print(json.dumps(found))
"""


def test_what_is_said_to_be_executed_is_what_python_imports() -> None:
    words = ["python", "-c", LISTING, *STAGES]
    ended = subprocess.run(words, cwd=ROOT, env=environment(), text=True, capture_output=True, check=True)
    assert {stage: sources.executed(f"pipeline.{stage}") for stage in STAGES} == json.loads(ended.stdout)


def test_every_library_that_decides_is_in_the_fingerprints() -> None:
    modules = {module for stage in STAGES for module in sources.decisive(f"pipeline.{stage}")}
    found = set()
    for module in modules:
        for node in ast.walk(ast.parse(sources.path_of(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    assert found - set(sys.stdlib_module_names) - set(sources.PACKAGES) - BESIDE == set(sources.LIBRARIES)


def test_training_is_fingerprinted_with_what_it_computes_by_and_not_with_what_shows_it() -> None:
    found = fingerprints.modules("baseline")
    assert {"pipeline.baseline", "pipeline.training.program", "pipeline.networks.dense", "pipeline.params.runs"} <= set(
        found
    )
    assert [
        name for name in found if name.startswith(("pipeline.console", "pipeline.runtime", "pipeline.report"))
    ] == []


def test_an_untouched_tree_passes(tree: Path) -> None:
    for stage in STAGES:
        fingerprints.check(stage)


def test_a_comment_and_what_a_stage_does_not_execute_change_nothing(tree: Path) -> None:
    append(tree / "pipeline/networks/dense.py", "\n\n# A comment.\n")
    append(tree / "pipeline/search/trials.py", "\nX = 1\n")
    append(tree / "pipeline/runtime/signals.py", "\nX = 1\n")
    fingerprints.check("baseline")
    with pytest.raises(UserError, match=r"does not match pipeline\.search\.trials,"):
        fingerprints.check("tune")


@pytest.mark.parametrize("module", ["pipeline", "pipeline.baseline", "pipeline.networks", "pipeline.networks.dense"])
def test_changed_code_is_named(tree: Path, module: str) -> None:
    append(sources.path_of(module), "\nX = 1\n")
    with pytest.raises(UserError) as caught:
        fingerprints.check("baseline")
    assert str(caught.value) == (
        f"fingerprints/baseline.json does not match {module}, which has changed; run 'dvc repro fingerprint' first"
    )


@pytest.mark.parametrize("value", ["0" * 64, None])
def test_a_module_that_the_fingerprint_has_otherwise_or_not_at_all_is_named(tree: Path, value: str | None) -> None:
    change("baseline", "modules", "pipeline.training.program", value)
    with pytest.raises(UserError, match=r"does not match pipeline\.training\.program,"):
        fingerprints.check("baseline")


def test_a_module_that_is_no_longer_executed_is_named(tree: Path) -> None:
    change("baseline", "modules", "pipeline.gone", "0" * 64)
    with pytest.raises(UserError, match=r"does not match pipeline\.gone,"):
        fingerprints.check("baseline")


def test_another_installed_version_is_named(tree: Path) -> None:
    change("baseline", "libraries", "tensorflow", "1.0.0")
    with pytest.raises(UserError) as caught:
        fingerprints.check("baseline")
    message = str(caught.value)
    installed = fingerprints.locked("baseline")["libraries"]["tensorflow"]
    assert message.startswith(
        f"fingerprints/baseline.json is made for tensorflow 1.0.0, and {installed} is installed; run 'make .venv'"
    )
    assert "\n" not in message
    fingerprints.check("report")


def test_tensorflow_is_found_by_the_name_that_this_system_has_it_under(tree: Path) -> None:
    assert fingerprints.installed("tensorflow") == fingerprints.locked("baseline")["libraries"]["tensorflow"]


def test_a_library_that_is_not_installed_is_named(tree: Path) -> None:
    change("baseline", "libraries", "no-such-library", "1.0.0")
    with pytest.raises(UserError, match=r"no-such-library 1\.0\.0, and none is installed"):
        fingerprints.check("baseline")


def test_a_missing_fingerprint_is_named(tree: Path) -> None:
    fingerprints.path_of("tune").unlink()
    with pytest.raises(UserError, match=r"^fingerprints/tune\.json is missing; run 'dvc repro fingerprint' first$"):
        fingerprints.check("tune")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"modules": {}}', b'{"libraries": {}}', b"\xff"]
)
def test_a_broken_fingerprint_is_named(tree: Path, content: bytes) -> None:
    fingerprints.path_of("tune").write_bytes(content)
    with pytest.raises(
        UserError, match=r"^fingerprints/tune\.json is no fingerprint; run 'dvc repro fingerprint' first$"
    ):
        fingerprints.check("tune")


def test_versions_are_those_of_the_lock_whatever_is_installed(tree: Path) -> None:
    lock = (tree / "requirements.lock").read_text(encoding="utf-8").splitlines()
    installed = next(line for line in lock if line.startswith("keras-tuner=="))
    lock[lock.index(installed)] = "keras-tuner==0.0.1 ; python_version < '4' \\"
    (tree / "requirements.lock").write_text("\n".join(lock), encoding="utf-8")
    assert fingerprints.locked("tune")["libraries"]["keras-tuner"] == "0.0.1"


def test_a_library_missing_from_the_lock_is_named(tree: Path) -> None:
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    (tree / "requirements.lock").write_text(lock.replace("\nscikit-learn==", "\nscikit-learned=="), encoding="utf-8")
    with pytest.raises(UserError, match=r"^requirements\.lock has no version of scikit-learn; 'make lock' pins all"):
        fingerprints.locked("baseline")
    assert "scikit-learn" not in fingerprints.locked("tune")["libraries"]


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "a{b", "b}", "${x}"])
def test_a_folder_in_which_dvc_fails_is_named_before_anything_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    for refused in (fingerprint.main, lambda: fingerprints.check("fetch")):
        with pytest.raises(
            UserError, match=r"the project's folder is .*, in which DVC fails; allowed: a path in UTF-8"
        ):
            refused()
    assert not list((tmp_path / name).iterdir())


def test_other_folders_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "猫 $HOME 'é").mkdir()
    monkeypatch.chdir(tmp_path / "猫 $HOME 'é")
    fingerprints.check_folder()
