"""Random numbers inside a compiled step: a hash of seed, step, use and place, so that any step can be drawn alone.

Four multiplications and some shifts for each word, where TensorFlow's own generators take ten rounds, which XLA
computes one number at a time.
"""

from enum import IntEnum
from typing import Any

from pipeline.networks.backend import tf


class Use(IntEnum):
    """What the words of a step are for; dropout layers count on from DROPOUT. Part of every result: never renumber."""

    FLIP = 0
    SHIFT = 1
    CUTOUT = 2  # and 3, an axis each
    DROPOUT = 16


class Draws:
    """The random words of one step.

    ``keys``: uint32 (2,), of the seed. ``step``: int32 (), the number of steps before this one. ``first``: int32 (),
    the place in the batch of the first image that this device holds.
    """

    def __init__(self, keys: Any, step: Any, first: Any) -> None:
        step = tf.cast(step, tf.uint32)
        # Two keys of 32 bits: with one, the words of two steps would overlap before a long training ends.
        self._keys = hashed(keys[0] + step), hashed(keys[1] ^ hashed(step))
        self._first = tf.cast(first, tf.uint32)

    def words(self, use: int, images: Any, each: int) -> Any:
        """Uint32 (``images``, ``each``): ``each`` random words for ``use`` for every image."""
        number = tf.constant(use, tf.uint32)
        inner, outer = hashed(self._keys[0] + number), hashed(self._keys[1] + number)
        places = tf.cast(tf.range(images * each), tf.uint32) + self._first * tf.constant(each, tf.uint32)
        return tf.reshape(hashed(hashed(places + inner) ^ outer), (images, each))

    def below(self, limit: int, use: int, images: Any, each: int) -> Any:
        """Int32 (``images``, ``each``): whole numbers from 0 to ``limit`` - 1, evenly to one part in 2^32 / limit."""
        # The high bits, by a product of 64 bits: a remainder would take the low ones.
        wide = tf.cast(self.words(use, images, each), tf.uint64) * tf.constant(limit, tf.uint64)
        return tf.cast(tf.bitwise.right_shift(wide, tf.constant(32, tf.uint64)), tf.int32)


def hashed(words: Any) -> Any:
    """The finaliser "lowbias32" (Wellons, 2018) of uint32 ``words``: each bit of the input sways all of the output."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32)))
        words *= tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, tf.uint32)))
