"""The trials of a search: read back or named, and which hyperparameter decided between them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.statistics import Statistic
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.reporting import trials
from pipeline.reporting.results import RunResult, SearchResult
from pipeline.reporting.trials import Search, Trial

FINAL = Run("tune", "final")
HEADER = "trial,parent,max_epoch,val_accuracy,dropout,l2_1\n"


def trial(accuracy: float, max_epoch: int = 9, promoted: bool = False, **hyperparameters: float) -> Trial:
    return Trial("0000", max_epoch, promoted, accuracy, hyperparameters)


def found(winner: str) -> dict[Run, RunResult]:
    search = SearchResult(2, 18, 0.5, {}, {"trial": winner})
    return {FINAL: RunResult(0, Statistic(1, 1), Statistic(1, 1), {}, {}, {}, {}, {}, {}, {}, search)}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("metrics/final-trials.csv")
    path.parent.mkdir()
    path.write_text(HEADER + "0000,,8,0.5,0.1,1e-05\n0001,0000,24,0.625,0.1,\n")
    return path


def test_trials_are_read_back_with_the_winner(table: Path) -> None:
    first = Trial("0000", 8, False, 0.5, {"dropout": 0.1, "l2_1": 1e-05})
    second = Trial("0001", 24, True, 0.625, {"dropout": 0.1})
    assert trials.read_all(found("0001")) == {FINAL: Search([first, second], second)}


@pytest.mark.parametrize(
    "rows", ["", "0,,8,high,0.1,\n", "0,,8,nan,0.1,\n", "0,,8,0.5,much,\n", "0,,inf,0.5,0.1,\n", "0,,8,0.5,,\n"]
)
def test_trials_that_are_no_numbers_are_named(rows: str, table: Path) -> None:
    table.write_text(HEADER + rows)
    with pytest.raises(UserError, match=r"^metrics/final-trials\.csv is damaged \(.*'dvc repro -f -s tune@final'"):
        trials.read(table)


def test_a_table_without_the_winner_is_named(table: Path) -> None:
    with pytest.raises(UserError, match=r"^metrics/final-trials\.csv has no trial 0007, the winner of final; "):
        trials.read_all(found("0007"))


def test_the_weight_is_the_share_of_variance_between_groups_less_chance() -> None:
    # By hand: ranks 1 to 4, variance 5; between the groups 4, within 1, which is 0.5 a degree of freedom.
    of_four = [trial(accuracy, dropout=value) for accuracy, value in ((0.1, 1), (0.2, 1), (0.3, 2), (0.4, 2))]
    assert trials.weight(of_four, "dropout") == pytest.approx((4 - 0.5) / 5)
    # A middle that is better than both ends decides, too, whatever the scale.
    middle = [trial(0.9 - abs(step - 14) / 100, learning_rate=10.0 ** (step - 30)) for step in range(30)]
    assert (trials.weight(middle, "learning_rate") or 0) > 0.5


def test_trials_are_compared_within_their_rung_and_only_where_they_began() -> None:
    # Dropout 2 was tried in the longer rung alone, so accuracy across rungs would speak for it.
    apart = [trial(0.1 * n, 3, dropout=1) for n in range(4)] + [trial(0.5 + 0.1 * n, 9, dropout=2) for n in range(4)]
    assert trials.weight(apart, "dropout") == 0
    fresh = [trial(accuracy, dropout=value) for accuracy, value in ((0.1, 1), (0.2, 1), (0.3, 2), (0.4, 2))]
    again = [replace(entry, promoted=True, val_accuracy=1 - entry.val_accuracy) for entry in fresh]
    assert trials.weight([*fresh, *again], "dropout") == trials.weight(fresh, "dropout")
    # A trial without such a layer says nothing of it.
    assert trials.weight([*fresh, trial(0.9, l2=1)], "dropout") == trials.weight(fresh, "dropout")


def test_what_decides_nothing_weighs_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = [trial(rng.random(), dropout=rng.random()) for _ in range(60)]
    weights = [trials.weight(noise, "dropout"), trials.weight([trial(0.5, l2=n) for n in range(9)], "l2")]
    assert (weights[0] or 0) < 0.1
    assert weights[1] is None
    assert trials.weight([trial(0.1, l2=1), trial(0.2, l2=2)], "l2") is None
    assert trials.weight([], "l2") is None


def test_axes_with_one_value_are_left_out_and_what_decided_most_comes_first() -> None:
    some = [
        trial(accuracy, units_1=512, dropout=dropout, l2=l2, layers=3)
        for accuracy, dropout, l2 in ((0.1, 1, 1), (0.2, 1, 2), (0.3, 2, 1), (0.4, 2, 2))
    ]
    assert Search(some, some[-1]).axes == ["dropout", "l2"]
