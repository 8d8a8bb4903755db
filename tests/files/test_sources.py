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
        self.write("pipeline/files/sources.py", (ROOT / "pipeline/files/sources.py").read_text(encoding="utf-8"))
        path = folder / "pipeline/files/sources.py"
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
        digest: str = self.sources.digest(["pipeline.module"])
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


def test_the_digest_depends_on_which_modules_there_are_and_not_on_their_order(tree: Tree) -> None:
    tree.write("pipeline/a.py", "x = 1\n")
    tree.write("pipeline/b.py", "x = 1\n")
    assert tree.sources.digest(["pipeline.a", "pipeline.b"]) == tree.sources.digest(["pipeline.b", "pipeline.a"])
    assert tree.sources.digest(["pipeline.a"]) != tree.sources.digest(["pipeline.b"])


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


def test_a_module_that_is_not_there_is_an_error(tree: Tree) -> None:
    with pytest.raises(FileNotFoundError):
        tree.sources.path_of("pipeline.nowhere")
