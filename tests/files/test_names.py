"""What is printed of names that hold more than letters."""

import os

import pytest

from pipeline.files.names import is_printable, printable


@pytest.mark.parametrize("name", ["cat", "猫", "a b", "${x}", "🐱", "\u0646\u200c\u0641"])
def test_what_people_write_stays_as_it_is(name: str) -> None:
    assert is_printable(name)
    assert printable(name) == name


def test_what_cannot_be_printed_is_escaped_and_no_two_names_become_one() -> None:
    names = ["a\nb", "a\tb", "a\x1bb", "a\u2028b", os.fsdecode(b"a\xe9b"), os.fsdecode(b"a\xe8b")]
    assert not any(is_printable(name) for name in names)
    # Another name may hold a backslash and what follows it in an escape.
    names += [printable(name) for name in names]
    written = [printable(name) for name in names]
    assert written[:2] == [r"a\nb", r"a\tb"]
    assert len(set(written)) == len(names)
    for text in written:
        assert len(text.encode().splitlines()) == 1
        assert "\t" not in text
