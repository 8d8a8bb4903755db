"""What a Matplotlib figure shows, read from its marks."""

from typing import Any

from matplotlib.figure import Figure


def panels(figure: Figure) -> list[Any]:
    """The axes of ``figure`` and of its parts that are drawn."""
    return [axes for axes in figure.axes if axes.axison]


def points(axes: Any, label: str) -> list[tuple[float, float]]:
    """The marks of the series ``label``, from left to right as they were given; none where it is not there."""
    return [
        (float(x), float(y)) for line in axes.get_lines() if line.get_label() == label for x, y in line.get_xydata()
    ]
