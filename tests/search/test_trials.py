"""What a trial's score is, and which trial wins."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.files.artefacts import read_csv
from pipeline.files.errors import UserError
from pipeline.search import trials
from pipeline.training.epoch import LossAndAccuracy
from pipeline.training.trainer import EpochResult, History

NONE = LossAndAccuracy(0.0, 0.0)
SCORES = [(1.5, 0.4), (1.2, 0.6), (1.3, 0.5)]
HISTORY = History([EpochResult(n, NONE, LossAndAccuracy(*scores), 1.0) for n, scores in enumerate(SCORES, start=1)])


def test_a_trial_has_the_highest_accuracy_and_the_lowest_loss_of_its_epochs() -> None:
    values = {"layers": 2, "tuner/trial_id": "0003", "tuner/round": 1, "tuner/epochs": 3}
    trial = trials.ended("0007", values, HISTORY, 2, 3)
    assert (trial.val_accuracy, trial.val_loss) == (0.6, 1.2)
    assert (trial.name, trial.parent, trial.round, trial.max_epoch) == ("0007", "0003", 1, 3)
    assert (trial.epochs, trial.epochs_trained) == (3, 2)
    assert trial.hyperparameters == {"layers": 2}


def test_a_trial_that_diverged_has_no_accuracy_but_counts_its_epochs() -> None:
    trial = trials.ended("0001", {}, None, 2, 3, "diverged")
    assert (trial.val_accuracy, trial.val_loss, trial.epochs, trial.epochs_trained) == (0, None, 2, 2)
    promoted = trials.ended("0002", {"tuner/trial_id": "0001", "tuner/initial_epoch": 3}, None, 1, 9, "diverged")
    assert (promoted.epochs, promoted.epochs_trained) == (4, 1)


VALUES = {"layers": 2, "l2": 1e-05, "tuner/trial_id": "0003", "tuner/round": 1}


def test_a_trial_that_was_set_aside_is_taken_again_where_the_same_is_chosen(tmp_path: Path) -> None:
    trial = trials.ended("0007", VALUES, HISTORY, 2, 3)
    trials.record(tmp_path, trial)
    trials.set_aside(tmp_path)
    assert trials.recorded(tmp_path) == []
    assert trials.take_again(tmp_path, "0008", VALUES, 3) is None
    assert trials.take_again(tmp_path, "0007", VALUES, 3) == trial


@pytest.mark.parametrize("changes", [{"l2": 2e-05}, {"tuner/trial_id": "0004"}, {"tuner/round": 2}])
def test_the_checkpoint_of_another_trial_of_the_same_name_is_not_continued(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    trials.record(tmp_path, trials.ended("0007", VALUES, HISTORY, 2, 3))
    trials.set_aside(tmp_path)
    for name in ("0007", "0008"):
        (tmp_path / f"trial-{name}.checkpoint").touch()
    assert trials.take_again(tmp_path, "0007", VALUES | changes, 3) is None
    assert [path.name for path in tmp_path.glob("*.checkpoint")] == ["trial-0008.checkpoint"]
    assert trials.take_again(tmp_path, "0007", VALUES, 3) is None


def test_the_checkpoint_of_a_trial_that_had_not_ended_is_not_continued_by_another_of_its_name(tmp_path: Path) -> None:
    trials.record(tmp_path, trials.ended("0007", VALUES, HISTORY, 2, 3))
    for name in ("0007", "0008"):
        (tmp_path / f"trial-{name}.checkpoint").touch()
    trials.set_aside(tmp_path)
    assert [path.name for path in tmp_path.glob("*.checkpoint")] == ["trial-0007.checkpoint"]


def test_a_search_without_a_trained_trial_has_no_winner() -> None:
    failed = trials.ended("0001", {}, None, 0, 9, failure="diverged")
    good = trials.ended("0002", {}, HISTORY, 3, 3)
    assert trials.winner([failed, good]) == good
    with pytest.raises(UserError, match="none of 2 trials could be trained, the first because: diverged"):
        trials.winner([failed, failed])


def test_the_table_says_why_a_trial_failed_where_one_did(tmp_path: Path) -> None:
    failed = trials.ended("0001", {}, None, 0, 9, failure="diverged")
    good = trials.ended("0002", {}, HISTORY, 3, 3)
    trials.write_table(tmp_path / "some.csv", [failed, good])
    trials.write_table(tmp_path / "none.csv", [good])
    assert [row["failure"] for row in read_csv(tmp_path / "some.csv")] == ["diverged", ""]
    assert "failure" not in read_csv(tmp_path / "none.csv")[0]


def test_the_winner_is_the_best_of_the_highest_rung() -> None:
    low = trials.ended("0001", {}, HISTORY, 3, 3)
    worse, best, equal = (
        replace(low, name=name, max_epoch=9, val_accuracy=a) for name, a in zip("abc", (0.3, 0.5, 0.5), strict=True)
    )
    assert trials.winner([low, worse, best, equal]) == best
    assert trials.summary([low, worse, best])["trial"] == "b"


def test_what_is_recorded_must_be_what_has_ended(tmp_path: Path) -> None:
    own = [trials.ended(name, {}, HISTORY, 3, 3) for name in ("0", "1")]
    for trial in own:
        trials.record(tmp_path, trial)
    assert trials.confirmed(tmp_path, {"0": 0.60000002, "1": 0.6}) == own


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"0": 0.6}, "trial-1.json is of a trial that has not ended in this search"),
        ({"0": 0.6, "1": 0.6, "2": 0.1}, "trial-2.json is missing, but the trial has ended"),
        ({"0": 0.6, "1": 0.999}, "trial-1.json has a val_accuracy of 0.600000, but the trial ended with 0.999000"),
    ],
)
def test_else_no_winner_is_named(tmp_path: Path, scores: dict[str, float], message: str) -> None:
    for name in ("0", "1"):
        trials.record(tmp_path, trials.ended(name, {}, HISTORY, 3, 3))
    with pytest.raises(UserError, match=f"{message}; no winner is named. Remove {tmp_path} to search anew"):
        trials.confirmed(tmp_path, scores)
