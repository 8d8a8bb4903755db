"""What a trial's score is, and which trial wins."""

from dataclasses import replace

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


def test_a_trial_that_diverged_has_no_accuracy() -> None:
    assert trials.ended("0001", {}, None, 0, 3).val_accuracy == 0


def test_the_winner_is_the_best_of_the_highest_rung() -> None:
    low = trials.ended("0001", {}, HISTORY, 3, 3)
    worse, best, equal = (
        replace(low, name=name, max_epoch=9, val_accuracy=a) for name, a in zip("abc", (0.3, 0.5, 0.5), strict=True)
    )
    assert trials.winner([low, worse, best, equal]) == best
    assert trials.summary([low, worse, best])["trial"] == "b"
