"""The images that every program trains on."""

from typing import Literal

import numpy as np

from pipeline.files import dataset
from pipeline.files.dataset import Split


def splits(images: int) -> tuple[Split, Split]:
    """``images`` prepared training images, a quarter as many for validation, repeated where there are fewer.

    Not random ones: what a network learns decides how many of its units fall silent, and with that how soon moments
    become denormal numbers, which some processors multiply slowly.
    """

    def split(name: Literal["train", "val"], count: int) -> Split:
        whole = dataset.load(name)
        return whole.rows(np.arange(count) % len(whole.labels))

    return split("train", images), split("val", images // 4)
