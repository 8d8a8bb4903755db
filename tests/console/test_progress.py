"""The live line on a terminal of 80 columns, and the lines that stay."""

import re
from collections.abc import Iterator

import pytest

from pipeline.console.progress import TrainingProgress, fitted, outlook
from pipeline.console.search_progress import SearchProgress
from pipeline.files.names import counted
from pipeline.search.trials import Trial
from pipeline.training.epoch import LossAndAccuracy
from pipeline.training.trainer import EpochResult, History

LONGEST = "ablation/joint-l2-1e-4-dropout10-rate-1e-4, seed 100"
ROW = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n")


def epochs(*seconds: float) -> list[EpochResult]:
    scores = LossAndAccuracy(1.2345, 0.5)
    return [EpochResult(number, scores, scores, each) for number, each in enumerate(seconds, start=1)]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    yield


def rows(output: str) -> list[str]:
    """What was written to the terminal, a row each."""
    return [row for row in ROW.split(output) if row]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("title", ["baseline, seed 100", LONGEST, f"beyond/{'x' * 93}{'y' * 7}, seed 2147483647"])
def test_the_line_fits_eighty_columns_and_names_the_run(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress(title, 50, 40_000) as progress:
        for epoch in epochs(61.2, 61.2):
            progress.on_epoch(epoch)
    found = rows(capsys.readouterr().out)
    assert max(map(len, found)) < 80
    (line,) = {row for row in found if "epoch 2/50" in row}
    if title == LONGEST:
        assert line == f"{LONGEST}  epoch 2/50  48:58 left"
    elif title.startswith("baseline"):
        assert line == "baseline, seed 100  epoch 2/50  48:58 left  val_accuracy 0.5000"
    else:
        assert re.fullmatch(r"beyond/x+…x*y{7}, seed 2147483647  epoch 2/50", line)


@pytest.mark.usefixtures("terminal")
def test_the_line_of_a_search_fits_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchProgress("tune/focused-with-a-longer-name-than-any", 90, 900) as progress:
        progress.started("0001", 0, 2)
        progress.on_epoch(epochs(1.0)[0])
    found = rows(capsys.readouterr().out)
    assert max(map(len, found)) < 80
    assert found[-1] == "tune/focused-with-a-longer-name-than-any  trial 2 of 90  best 0.0000"


def test_a_narrow_screen_keeps_the_place() -> None:
    assert fitted(30, "scale/deep, seed 100", "epoch 3/50", "0:34 left") == "scale/dee…seed 100  epoch 3/50"
    assert fitted(5, "scale/deep", "epoch 3/50") == "…  epoch 3/50"


def test_the_seconds_of_an_epoch_are_those_of_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress("baseline, seed 100", 4, 1_000) as progress:
        progress.on_end(History(epochs(9.0, 1.0, 1.0, 1.0)), 4, {"accuracy": 0.5, "loss": 1.0})
        progress.on_end(History(epochs(2.0)), 1, {"accuracy": 0.5, "loss": 1.0})
    several, one = capsys.readouterr().out.splitlines()
    assert several.startswith("baseline, seed 100: 4 epochs in 12.0 s (3.00 s an epoch, 333 images/s, ")
    assert one.startswith("baseline, seed 100: 1 epoch in 2.0 s (2.00 s an epoch, ")


def test_a_trial_of_one_epoch_and_the_last_minute(capsys: pytest.CaptureFixture[str]) -> None:
    assert [outlook(seconds) for seconds in (0.4, 59.9, 60.0, 61.0)] == [
        "less than a minute left",
        "less than a minute left",
        "at most 1 min left",
        "at most 2 min left",
    ]
    with SearchProgress("tune/final", 2, 3) as progress:
        for name, most in (("0000", 1), ("0001", 2)):
            trial = Trial(name, None, 0, most, most, most, 0.25, 1.0, {})
            progress.ended(trial, fresh=True)
    assert capsys.readouterr().out.splitlines() == [
        "tune/final: trial 1 of 2, rung 1 (1 epoch): val_accuracy 0.2500; best 0.2500, less than a minute left",
        "tune/final: trial 2 of 2, rung 1 (2 epochs): val_accuracy 0.2500; best 0.2500",
    ]


def test_one_is_no_plural() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2, 1_000)] == [
        "0 epochs",
        "1 epoch",
        "2 epochs",
        "1,000 epochs",
    ]
