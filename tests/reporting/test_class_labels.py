"""What figures and tables call the classes, whatever their names are."""

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest

from pipeline.reporting import class_labels, plots
from pipeline.reporting.drawing import save


@pytest.mark.parametrize(
    "names",
    [
        ["airplane", "automobile", "I", "l", "0", "O"],
        ["кот", "собака", "كلب", "été", "Ελλάδα"],
        ["$a$", "${b}", "50 %", "a\\b", "a_1", "a b"],
    ],
)
def test_names_that_can_be_told_are_drawn_as_they_are(names: list[str]) -> None:
    assert class_labels.in_figures(names) == names
    assert class_labels.note(names) == ""


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (["猫", "犬", "cat"], ["0: ?", "1: ?", "2: cat"]),
        (["cat", "猫cat"], ["0: cat", "1: ?cat"]),
        (["고양이"], ["0: ???"]),
        (["cat", "cat "], ["0: cat", "1: cat "]),
        (["cat", "c\u0430t"], ["0: cat", "1: c\u0430t"]),  # Cyrillic
        (["a", "a\u200b"], ["0: a", "1: a\u200b"]),
        (["é", unicodedata.normalize("NFD", "é")], ["0: é", "1: e\u0301"]),
        (["cat", " "], ["0: cat", "1:  "]),
        # Where one name needs a number all get one: no name can be taken for another's number.
        (["0: ?", "猫"], ["0: 0: ?", "1: ?"]),
    ],
)
def test_names_that_cannot_are_numbered_alike_in_figures_and_tables(names: list[str], drawn: list[str]) -> None:
    assert class_labels.in_figures(names) == drawn
    assert "by number" in class_labels.note(names)
    assert class_labels.in_tables(names) == [f"{number}: {name}" for number, name in enumerate(names)]


def test_names_without_room_are_cut_and_numbered() -> None:
    long = ["a long name of a class, 1", "a long name of a class, 2", "cat"]
    drawn = class_labels.in_figures(long)
    assert drawn == ["0: a long name of …", "1: a long name of …", "2: cat"]
    assert class_labels.in_tables(long)[1] == "1: a long name of a class, 2"
    assert "report.md" in class_labels.note(long)
    assert "font" not in class_labels.note(long)
    assert "font" in class_labels.note(["猫"])


def test_tables_escape_names() -> None:
    assert class_labels.in_tables(["a|b", "$c$"]) == [r"a\|b", r"\$c\$"]


def test_names_are_no_formulas_and_no_two_look_the_same(tmp_path: Path) -> None:
    names = ["$\\frac$", "$x$", "x", "猫", "犬", "${y}"]
    with warnings.catch_warnings():
        # Matplotlib warns of characters that its fonts lack.
        warnings.simplefilter("error")
        drawn = class_labels.in_figures(names)
        save(
            plots.confusion_matrix(np.eye(6, dtype=int), drawn, "$z$" + class_labels.note(names)),
            tmp_path / "counts.png",
        )
        pictures = set()
        for name in drawn:
            save(plots.image_grid(np.zeros((1, 32, 32, 3), np.uint8), [name], 1, 1, ""), tmp_path / "one.png")
            pictures.add((tmp_path / "one.png").read_bytes())
    assert len(pictures) == len(names)
