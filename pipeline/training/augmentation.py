"""Images changed at random while they are trained on: integer arithmetic on uint8, from the seed and step or epoch."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.networks.backend import tf
from pipeline.networks.draws import Draws, Use, hashed
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.recipe import Recipe

# What a blanked square holds: the middle of the range.
BLANK = 128


def augmented(recipe: Recipe, images: Any, rows: Any, draws: Draws, keys: Any, epoch: Any) -> Any:
    """The batch of uint8 images (n, height, width, channels) that ``rows``, int32 (n,), of ``images`` become.

    ``keys``: uint32 (2,), of the seed. ``epoch``: int32 (), from 0.
    """
    if recipe.flip == "none" and not recipe.shift:
        batch = tf.gather(images, rows)
    else:
        batch = _moved(recipe, images, rows, draws, keys, epoch)
    return _cut(batch, recipe.cutout, draws) if recipe.cutout else batch


def _moved(recipe: Recipe, images: Any, rows: Any, draws: Draws, keys: Any, epoch: Any) -> Any:
    """Mirrored and shifted, in the one pass over memory that gathers the batch."""
    _, height, width, channels = images.shape
    count = rows.shape[0]
    down, right = (tf.range(size)[None] for size in (height, width))
    if recipe.shift:
        shifts = draws.below(2 * recipe.shift + 1, Use.SHIFT, count, 2) - recipe.shift
        down, right = _reflected(down + shifts[:, :1], height), _reflected(right + shifts[:, 1:], width)
    if recipe.flip != "none":
        right = tf.where(_mirrored(recipe, rows, draws, keys, epoch)[:, None], width - 1 - right, right)
    pixels = rows[:, None, None] * (height * width) + (down * width)[:, :, None] + right[:, None, :]
    return tf.gather(tf.reshape(images, (-1, channels)), pixels)


def _mirrored(recipe: Recipe, rows: Any, draws: Draws, keys: Any, epoch: Any) -> Any:
    """Bool (n,): which images are mirrored."""
    if recipe.flip == "random":
        return draws.below(2, Use.FLIP, rows.shape[0], 1)[:, 0] == 1
    # The first epoch by chance, and from then on in turn: two epochs show both sides of every image.
    chance = hashed(hashed(tf.cast(rows, tf.uint32) + keys[0]) ^ keys[1])
    return tf.bitwise.bitwise_and(chance + tf.cast(epoch, tf.uint32), tf.constant(1, tf.uint32)) == 1


def _reflected(places: Any, size: int) -> Any:
    """Places beyond the border of an image of ``size`` pixels, reflected into it: -1 to 1, size to size - 2."""
    places = tf.abs(places)
    return tf.where(places >= size, 2 * (size - 1) - places, places)


def _cut(batch: Any, size: int, draws: Draws) -> Any:
    """``batch`` with a square of ``size`` pixels blanked in each image, its centre anywhere in the image."""
    count, (height, width) = batch.shape[0], batch.shape[1:3]
    within = []
    for axis, extent in enumerate((height, width)):
        first = draws.below(extent, Use.CUTOUT + axis, count, 1) - size // 2
        place = tf.range(extent)[None]
        within.append((place >= first) & (place < first + size))
    inside = (within[0][:, :, None] & within[1][:, None, :])[..., None]
    return tf.where(inside, tf.constant(BLANK, batch.dtype), batch)


def shares(recipe: Recipe, seed: int, steps: range) -> npt.NDArray[np.float32]:
    """For mixup, an image's own share of its mixture at each step: float32 (steps,), from 0.5 to 1."""
    drawn = [generator(seed, Purpose.MIXUP, step).beta(recipe.mixup, recipe.mixup) for step in steps]
    return np.maximum(drawn, np.subtract(1, drawn)).astype(np.float32)


def mixed(batch: Any, share: Any) -> Any:
    """Each of the uint8 images (n, ...) of ``batch`` mixed with its partner, in whole numbers: the last with the first.

    ``share``: float32 (), of the image itself.
    """
    own, other = tf.cast(batch, tf.float32), tf.cast(tf.reverse(batch, [0]), tf.float32)
    return tf.cast(tf.round(share * own + (1 - share) * other), batch.dtype)
