"""Figures of what the selected model says: counts are written where they can be read."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.evaluation.calibration import BINS, Bin
from pipeline.reporting import plots
from pipeline.reporting.drawing import save


def axes_of(figure: Figure) -> list[Any]:
    return list(figure.axes)


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_reliability_has_a_point_a_bin_and_writes_how_many_images_it_holds() -> None:
    bins = [Bin(1234, 0.05, 0.25), Bin(7, 0.51, 0.5), Bin(20, 1.0, 0.875)]
    above, below = axes_of(plots.reliability(bins, "title"))
    (measured,) = [line for line in above.get_lines() if line.get_label() == "measured"]
    assert measured.get_xydata().tolist() == [[0.05, 0.25], [0.51, 0.5], [1.0, 0.875]]
    assert texts(below) == ["1,234", "7", "20"]
    assert [bar.get_height() for bar in below.patches] == [1234, 7, 20]
    # Each at its bin, the seventh from 7/15 to 8/15.
    middles = [bar.get_x() + bar.get_width() / 2 for bar in below.patches]
    assert middles == pytest.approx([0.5 / BINS, 7.5 / BINS, 14.5 / BINS])


@pytest.mark.parametrize("classes", [2, 16, 17, 256])
def test_the_confusion_matrix_can_be_read_whatever_the_number_of_classes(classes: int) -> None:
    counts = np.arange(classes * classes).reshape(classes, classes)
    figure = plots.confusion_matrix(counts, [f"class {number}" for number in range(classes)], "title")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert named[0] == "class 0"
    assert len(named) <= 32
    boxes = sorted((label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    counted = classes <= 16
    assert texts(axes) == ([str(count) for count in counts.flat] if counted else [])
    assert len(figure.axes) == (1 if counted else 2)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer (predicted)", "label (actual)")


def test_every_figure_is_as_wide_as_a_page_and_its_bytes_stay(tmp_path: Path) -> None:
    def figures() -> list[Figure]:
        images = np.zeros((2, 32, 32, 3), np.uint8)
        return [
            plots.reliability([Bin(1, 0.5, 0.5)], "title"),
            plots.confusion_matrix(np.eye(2, dtype=int), ["cat", "dog"], "title"),
            plots.image_grid(images, ["cat", "dog"], 3, 5, "title"),
        ]

    for first, second in zip(figures(), figures(), strict=True):
        save(first, tmp_path / "one.png")
        save(second, tmp_path / "two.png")
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
        assert first.get_figwidth() == 8
