from pathlib import Path

import pytest

from pipeline.console import arguments
from pipeline.files.errors import UserError


def test_an_empty_path_is_not_the_current_folder() -> None:
    assert arguments.named("a b") == Path("a b")
    with pytest.raises(UserError, match="a path is empty; allowed: the name of a file or folder"):
        arguments.named("")
