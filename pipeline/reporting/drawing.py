"""What all figures share: their size on a page, colours that the colour-blind tell apart, and bytes that stay alike."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pipeline.files.artefacts import atomic_write
from pipeline.reporting.class_labels import FONT_FAMILY

# Inches. At 100 pixels an inch a page shows the figure pixel by pixel, and 9 points are as high as its text.
WIDTH = 8.0
_DPI = 100

# Okabe and Ito (2008), without the yellow, which is too pale on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73"),
    *("#0072B2", "#D55E00", "#CC79A7"),
)
# Each series of a figure has its own colour and marker, so that they can be told apart in black and white.
SERIES = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (PURPLE, "D"), (ORANGE, "v"), (SKY, "P"), (BLACK, "X"))

matplotlib.rcParams.update(
    {
        "font.family": FONT_FAMILY,
        "font.size": 9,
        "axes.titlesize": 9,
        "figure.titlesize": 11,
        "legend.fontsize": 9,
        "grid.alpha": 0.3,
        # A $ in a name begins no formula.
        "text.parse_math": False,
        "text.usetex": False,
    }
)


def save(figure: Any, path: Path) -> None:
    """Write ``figure`` as a PNG file whose bytes follow from what it shows."""
    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        # Software: matplotlib would write its version, which the plot does not show.
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
