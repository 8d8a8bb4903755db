"""The plot of a search: an axis with its values for every hyperparameter that varied, its trials and the winner."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.reporting import search_plot
from pipeline.reporting.drawing import save
from pipeline.reporting.trials import Search, Trial
from tests.reporting.figures import panels, points

TRIALS = [
    Trial("0000", 1, False, 0.25, {"l2": 1e-5, "units_1": 512.0, "units_2": 128.0, "layers": 2}),
    Trial("0001", 1, False, 0.5, {"l2": 1e-3, "units_1": 512.0, "layers": 1}),
    Trial("0002", 9, True, 0.625, {"l2": 1e-3, "units_1": 512.0, "layers": 1}),
    Trial("0003", 9, True, 0.375, {"l2": 1e-5, "units_1": 512.0, "units_2": 256.0, "layers": 2}),
]
SEARCH = Search(TRIALS, TRIALS[2])


def test_each_axis_that_varied_has_a_panel_with_its_trials_by_rung_and_the_winner() -> None:
    drawn = search_plot.figure(SEARCH, "tune/final")
    found = {axes.get_title().partition(":")[0]: axes for axes in panels(drawn)}
    assert set(found) == {"l2", "layers", "units_2"}
    assert points(found["l2"], "1 epoch") == [(1e-5, 0.25), (1e-3, 0.5)]
    assert points(found["l2"], "9 epochs") == [(1e-3, 0.625), (1e-5, 0.375)]
    assert points(found["l2"], "winner") == [(1e-3, 0.625)]
    # Of a layer that the winner has not, other trials have values.
    assert points(found["units_2"], "9 epochs") == [(256, 0.375)]
    assert points(found["units_2"], "winner") == []
    assert [label.get_text() for label in drawn.legends[0].get_texts()] == ["1 epoch", "9 epochs", "winner"]


@pytest.mark.parametrize(("name", "values"), [("l2", ["1e-05", "0.001"]), ("units_2", ["128", "256"])])
def test_an_axis_has_its_values(name: str, values: list[str]) -> None:
    drawn = search_plot.figure(SEARCH, "tune/final")
    drawn.draw_without_rendering()
    (axes,) = [axes for axes in panels(drawn) if axes.get_title().startswith(name)]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == values


def test_ticks_of_many_values_are_numbers_and_the_bytes_stay(tmp_path: Path) -> None:
    many = [replace(TRIALS[0], val_accuracy=n / 10, hyperparameters={"l2": 10.0**-n}) for n in range(1, 9)]
    drawn = search_plot.figure(Search(many, many[-1]), "tune/final")
    drawn.draw_without_rendering()
    labels = [label.get_text() for label in panels(drawn)[0].get_xticklabels()]
    assert len(labels) > 2
    assert all(float(label) > 0 for label in labels)
    for name in ("one.png", "two.png"):
        save(search_plot.figure(SEARCH, "tune/final"), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_search_of_one_point_is_drawn(tmp_path: Path) -> None:
    save(search_plot.figure(Search(TRIALS[:1], TRIALS[0]), "tune/final"), tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 0
