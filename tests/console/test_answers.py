"""Lines of predict: in columns on a screen, complete in a pipe."""

import io
import os
import re
from pathlib import Path
from typing import Any, TextIO

import pytest

from pipeline.console import answers

LONG = "a" * 90
# Alike but for their ends.
ENTRIES: list[dict[str, Any]] = [
    {
        "file": f"{LONG}{end}/猫.png",
        "classes": [{"class": "b c", "probability": 0.7}, {"class": "$d", "probability": 1e-6}],
    }
    for end in ("1", "2")
]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(stream: TextIO, monkeypatch: pytest.MonkeyPatch, entries: list[dict[str, Any]]) -> None:
    monkeypatch.setattr("sys.stdout", stream)
    answers.write(entries)
    stream.flush()


def test_a_pipe_gets_whole_names_between_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("COLUMNS", "40")
    printed(stream, monkeypatch, ENTRIES)
    assert [line.split("\t") for line in stream.getvalue().splitlines()] == [
        [f"{LONG}{end}/猫.png", "b c", "0.700000", "$d", "0.000001"] for end in ("1", "2")
    ]


def test_a_screen_gets_columns_and_no_name_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Screen()
    monkeypatch.setenv("COLUMNS", "60")
    printed(stream, monkeypatch, ENTRIES)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
    assert max(map(len, lines)) <= 60
    assert "image" in lines[0]
    assert "classes, most probable first" in lines[0]
    assert "b c 0.700  $d 0.000" in lines[1]
    # The names continue on lines of their own.
    names = "".join(line[:30].strip() for line in lines[1:])
    assert names == "".join(str(entry["file"]) for entry in ENTRIES)


def test_a_name_keeps_to_its_line_and_field_whatever_it_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = [{"class": "猫", "probability": 1.0}]
    entries = [{"file": name, "classes": found} for name in ("a\tb", "a\nb", r"a\tb", os.fsdecode(b"a\xe9b"))]
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        printed(stream, monkeypatch, entries)
    shown = [r"a\tb", r"a\nb", r"a\\tb", r"a\udce9b"]
    assert (tmp_path / "out").read_text().splitlines() == [f"{name}\t\\u732b\t1.000000" for name in shown]
