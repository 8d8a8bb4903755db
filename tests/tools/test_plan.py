"""`make plan`: what fetch will download."""

import pytest

from pipeline.params import reading
from tests.conftest import ROOT
from tools import plan


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("http://me:secret@host/images.tar", "what CIFAR10_ARCHIVE names: http://host/images.tar"),
        ("images.tar", "what CIFAR10_ARCHIVE names: images.tar"),
        ("", "at most "),
    ],
)
def test_what_is_downloaded_is_named_without_a_password(monkeypatch: pytest.MonkeyPatch, named: str, said: str) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CIFAR10_ARCHIVE", named)
    assert plan.download(reading.load(*reading.SECTIONS), fetches=True).startswith(said)
