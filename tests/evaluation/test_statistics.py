import numpy as np
import pytest

from pipeline.evaluation.statistics import Statistic, over_seeds


def test_mean_and_deviation_are_numpys() -> None:
    values = [0.5, 0.52, 0.57]
    statistic = over_seeds([{"accuracy": value} for value in values])["accuracy"]
    assert statistic.mean == pytest.approx(np.mean(values))
    assert statistic.std == pytest.approx(np.std(values, ddof=1))
    assert statistic.n == 3


def test_equal_seeds_have_no_deviation_whatever_their_mean_is_rounded_to() -> None:
    assert float(np.std([0.2, 0.2, 0.2], ddof=1)) > 0
    assert Statistic.of([0.2, 0.2, 0.2]).std == 0


def test_every_score_has_a_statistic_of_its_own() -> None:
    found = over_seeds([{"accuracy": 0.5, "loss": 2.0}, {"accuracy": 0.7, "loss": 1.0}])
    assert {name: statistic.mean for name, statistic in found.items()} == {"accuracy": 0.6, "loss": 1.5}


def test_one_seed_has_no_deviation() -> None:
    assert over_seeds([{"accuracy": 0.5}]) == {"accuracy": Statistic(0.5, 1)}
    assert Statistic(0.5, 1).as_json() == {"mean": 0.5}
    assert Statistic(0.5, 3, 0.01).as_json() == {"mean": 0.5, "std": 0.01}


@pytest.mark.parametrize("statistic", [Statistic(0.5, 1), Statistic(0.5, 3, 0.01), Statistic(0.5, 3, 0.0)])
def test_a_statistic_is_read_back_as_it_was_written(statistic: Statistic) -> None:
    assert Statistic.from_json(statistic.as_json(), statistic.n) == statistic


def test_a_statistic_is_shown_with_its_deviation_if_it_has_one() -> None:
    assert str(Statistic(0.51, 3, 0.01)) == "0.5100 ± 0.0100"
    assert str(Statistic(0.51, 3, 0.0)) == "0.5100 ± 0.0000"
    assert str(Statistic(0.51, 1)) == "0.5100"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_known(value: float) -> None:
    assert Statistic(0.5, 1).finite
    assert Statistic(0.5, 3, 0.0).finite
    assert not Statistic(value, 3, 0.01).finite
    assert not Statistic(0.5, 3, value).finite
