import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

MODULE = '''"""What the module is for."""

import json


def double(number):
    """Twice ``number``."""
    text = """one

    two"""
    if number:
        text += f"""{number}

        three"""
    return [2 * number, "# no comment", text]


class Empty:
    """Nothing."""
'''


class Tree:
    """Packages of ours in a folder of their own, and there the module that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("pipeline/runtime/sources.py", (ROOT / "pipeline/runtime/sources.py").read_text(encoding="utf-8"))
        path = folder / "pipeline/runtime/sources.py"
        specification = importlib.util.spec_from_file_location("sources_of_tree", path)
        assert specification is not None
        assert specification.loader is not None
        self.sources: Any = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.sources)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def digest(self, text: str) -> str:
        """The digest of a module with this text."""
        self.write("pipeline/module.py", text)
        digest: str = self.sources.digest("pipeline.module")
        return digest


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What the module is for."""\n', ""),
        ("What the module is for.", "What it is for.\n\nIn two paragraphs.\n"),
        ("Twice ``number``.", "Double."),
        ("Nothing.", "Nothing at all."),
        ("import json\n", "import json  # for later\n"),
        ("import json\n", "# for later\nimport json\n\n\n"),
        ("    return", "    # at last\n\n    return"),
        ("text]\n", "text]  \n"),
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_change_the_digest(tree: Tree, old: str, new: str) -> None:
    assert old in MODULE
    assert tree.digest(MODULE.replace(old, new)) == tree.digest(MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2 * number", "3 * number"),
        ("import json", "import yaml"),
        ("# no comment", "# some comment"),
        ("# no comment", ""),
        ("one\n\n", "one\n"),
        ("one\n", "one \n"),
        ("{number}\n\n", "{number}\n"),
        ("    return", "        return"),
        ("class Empty", "class Full"),
        ("    return", "    number += 1\n    return"),
    ],
)
def test_every_other_edit_changes_the_digest(tree: Tree, old: str, new: str) -> None:
    assert old in MODULE
    assert tree.digest(MODULE.replace(old, new)) != tree.digest(MODULE)


def test_executed_finds_imports_within_functions_and_packages_above(tree: Tree) -> None:
    tree.write("pipeline/__init__.py", "import os\n")
    tree.write("pipeline/stage.py", "import json\n\n\ndef main():\n    from pipeline.deep import inner\n")
    tree.write("pipeline/deep/__init__.py", "from pipeline.ground import helper\n")
    tree.write("pipeline/deep/inner.py", "import pipeline.other.leaf\n")
    tree.write("pipeline/ground.py", "def helper(): ...\n")
    tree.write("pipeline/other/__init__.py", "")
    tree.write("pipeline/other/leaf.py", "import numpy\n")
    tree.write("pipeline/idle.py", "")
    assert tree.sources.executed("pipeline.stage") == [
        "pipeline",
        "pipeline.deep",
        "pipeline.deep.inner",
        "pipeline.ground",
        "pipeline.other",
        "pipeline.other.leaf",
        "pipeline.stage",
    ]
    assert tree.sources.executed("pipeline.deep") == ["pipeline", "pipeline.deep", "pipeline.ground"]


def test_modules_that_import_each_other_are_found_once(tree: Tree) -> None:
    tree.write("pipeline/__init__.py", "")
    tree.write("pipeline/a.py", "import pipeline.b\n")
    tree.write("pipeline/b.py", "import pipeline.a\n")
    assert tree.sources.executed("pipeline.a") == ["pipeline", "pipeline.a", "pipeline.b"]


def test_what_only_console_and_runtime_need_is_not_decisive(tree: Tree) -> None:
    tree.write("pipeline/__init__.py", "")
    tree.write("pipeline/stage.py", "from pipeline.console import bar\nfrom pipeline import runtime, training\n")
    tree.write("pipeline/console/__init__.py", "")
    tree.write("pipeline/console/bar.py", "import pipeline.shown, pipeline.shared\n")
    tree.write("pipeline/runtime/__init__.py", "import pipeline.kept\n")
    tree.write("pipeline/training.py", "import pipeline.runtime.locks, pipeline.shared, pipeline.consoles\n")
    tree.write("pipeline/runtime/locks.py", "")
    for name in ("shown", "shared", "kept", "consoles"):
        tree.write(f"pipeline/{name}.py", "")
    decisive = ["pipeline", "pipeline.consoles", "pipeline.shared", "pipeline.stage", "pipeline.training"]
    assert tree.sources.decisive("pipeline.stage") == decisive
    harmless = ["console", "console.bar", "runtime", "runtime.locks", "shown", "kept"]
    everything = sorted([*decisive, *(f"pipeline.{name}" for name in harmless)])
    assert tree.sources.executed("pipeline.stage") == everything


def test_libraries_are_those_that_the_modules_themselves_import(tree: Tree) -> None:
    tree.write("pipeline/a.py", "import json\nimport numpy as np, yaml\nimport pipeline.b\n")
    tree.write("pipeline/b.py", "def main():\n    from sklearn.metrics import f1_score\n    import keras.layers\n")
    tree.write("pipeline/c.py", "from PIL import Image\n")
    assert tree.sources.libraries(["pipeline.a"]) == ["numpy"]
    assert tree.sources.libraries(["pipeline.c", "pipeline.b"]) == ["keras", "pillow", "scikit-learn"]


@pytest.mark.parametrize("statement", ["from . import b", "from .b import c", "from .. import b", "from ..b import c"])
def test_a_relative_import_is_an_error(tree: Tree, statement: str) -> None:
    tree.write("pipeline/a.py", f"import json\n{statement}\n")
    with pytest.raises(ValueError, match=r"pipeline/a\.py: line 2 imports relatively; write the whole name"):
        tree.sources.imports("pipeline.a")


def test_a_module_that_is_not_there_is_an_error(tree: Tree) -> None:
    with pytest.raises(FileNotFoundError):
        tree.sources.path_of("pipeline.nowhere")
