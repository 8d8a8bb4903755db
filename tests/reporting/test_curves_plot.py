"""Learning curves: every seed a line, mean and band over them, and many runs beside one another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.reporting import curves_plot
from pipeline.reporting.drawing import save
from tests.reporting.figures import panels

EPOCHS = {100: [0.1, 0.3, 0.5, 0.6], 101: [0.2, 0.5, 0.6], 102: [0.3, 0.1, 0.7, 0.65, 0.7]}
COLUMNS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
# Every column is the epochs and as much more.
MORE = dict(zip(COLUMNS, (1.0, 0.0, 2.0, 0.25), strict=True))


def curves(seeds: int = 3) -> dict[int, dict[str, list[float]]]:
    return {
        seed: {column: [value + MORE[column] for value in values] for column in COLUMNS}
        for seed, values in list(EPOCHS.items())[:seeds]
    }


def drawn(axes: Any, kind: str, style: str) -> list[list[float]]:
    return [
        [float(y) for y in line.get_ydata()]
        for line in axes.get_lines()
        if line.get_gid() == kind and line.get_linestyle() == style
    ]


def band(axes: Any, number: int) -> Any:
    """Lower and upper edge of the band ``number``."""
    vertices = [found for found in axes.collections if found.get_gid() == "band"][number].get_paths()[0].vertices
    return [[np.min(vertices[vertices[:, 0] == x, 1]), np.max(vertices[vertices[:, 0] == x, 1])] for x in (1, 2, 3)]


@pytest.mark.parametrize("runs", [1, curves_plot.TOGETHER, curves_plot.TOGETHER + 1])
def test_all_seeds_are_drawn_with_mean_and_band_over_the_epochs_that_all_have(runs: int) -> None:
    figure = curves_plot.figure({f"run {number}": curves() for number in range(runs)}, "title")
    together = runs <= curves_plot.TOGETHER
    found = panels(figure)
    assert len(found) == (2 if together else 2 * runs)
    common = np.array([values[:3] for values in EPOCHS.values()])
    for place, axes in enumerate(found):
        measure = "loss" if place < len(found) / 2 else "accuracy"
        for number, (split, style) in enumerate((("train", "--"), ("val", "-"))):
            more, times = MORE[f"{split}_{measure}"], runs if together else 1
            expected = [pytest.approx([value + more for value in values]) for values in EPOCHS.values()]
            assert drawn(axes, "seed", style) == expected * times
            assert drawn(axes, "mean", style) == [pytest.approx(common.mean(axis=0) + more)] * times
            mean, spread = common.mean(axis=0) + more, common.std(axis=0, ddof=1)
            assert np.array(band(axes, number)) == pytest.approx(np.stack([mean - spread, mean + spread], axis=1))
    if not together:
        assert [axes.get_title() for axes in found] == [f"run {number}" for number in range(runs)] * 2


def test_runs_in_one_panel_differ_in_colour_and_in_marker() -> None:
    figure = curves_plot.figure({f"run {number}": curves() for number in range(curves_plot.TOGETHER)}, "title")
    means = [line for line in figure.axes[0].get_lines() if line.get_gid() == "mean" and line.get_linestyle() == "-"]
    assert len({line.get_color() for line in means}) == len({line.get_marker() for line in means}) == len(means) == 4


def test_one_seed_has_no_band_and_one_epoch_is_seen(tmp_path: Path) -> None:
    figure = curves_plot.figure({"run": curves(1)}, "title")
    assert [found for axes in figure.axes for found in axes.collections if found.get_gid() == "band"] == []
    assert drawn(figure.axes[0], "mean", "-") == [pytest.approx([value + 2 for value in EPOCHS[100]])]
    assert not any("a seed" in text.get_text() for text in figure.legends[0].get_texts())
    short = {100: {column: [0.5] for column in COLUMNS}}
    for number in (1, 5):
        many = {f"run {place}": short for place in range(number)}
        lines = [line for axes in curves_plot.figure(many, "title").axes for line in axes.get_lines()]
        assert all(line.get_marker() not in ("", "None") for line in lines)
    for name in ("one.png", "two.png"):
        save(curves_plot.figure({"run": curves()}, "title"), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
