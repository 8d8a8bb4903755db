from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.networks.backend import tf
from pipeline.networks.draws import Draws, Use

KEYS = np.array([123456789, 987654321], np.uint32)


def draws(step: int, first: int = 0) -> Draws:
    return Draws(tf.constant(KEYS), tf.constant(step), tf.constant(first))


def test_every_step_and_every_use_has_words_of_its_own() -> None:
    words = [draws(step).words(use, 64, 32).numpy() for step in range(20) for use in (Use.FLIP, Use.DROPOUT, 17)]
    together = np.concatenate([word.ravel() for word in words])
    # Of n even words of 32 bits n^2 / 2^33 pairs are equal by chance.
    expected = len(together) ** 2 / 2**33
    assert len(together) - len(np.unique(together)) < 5 * expected + 5
    for one, other in pairwise(words):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)


def hashed_by_numpy(words: Any) -> Any:
    words = (words ^ words >> 16) * np.uint32(0x7FEB352D)
    words = (words ^ words >> 15) * np.uint32(0x846CA68B)
    return words ^ words >> 16


def test_steps_whose_first_keys_are_near_do_not_repeat_each_other() -> None:
    """With one key of 32 bits, the places of a step run into those of another in a training of 20,000 steps."""
    steps = np.arange(20_000, dtype=np.uint32)
    inner = hashed_by_numpy(hashed_by_numpy(KEYS[0] + steps))
    order = np.argsort(inner)
    nearest = np.diff(inner[order]).argmin()
    one, other = (draws(int(step)).words(0, 10_000, 1).numpy().ravel() for step in order[nearest : nearest + 2])
    assert np.diff(inner[order]).min() < 1_000
    assert len(np.intersect1d(one, other)) < 5


def test_words_are_even_in_every_bit_and_numbers_below_a_limit_in_every_value() -> None:
    words = draws(7).words(3, 1000, 100).numpy().ravel()
    for bit in range(32):
        assert abs(np.mean(words >> bit & 1) - 0.5) < 0.008
    for limit in (2, 5, 32):
        numbers = draws(7).below(limit, 3, 1000, 100).numpy().ravel()
        counts = np.bincount(numbers, minlength=limit)
        assert len(counts) == limit
        assert counts == pytest.approx(len(numbers) / limit, rel=0.1)


def test_a_device_draws_its_share_of_the_batch() -> None:
    whole = draws(3).words(2, 8, 5).numpy()
    assert np.array_equal(whole[4:], draws(3, first=4).words(2, 4, 5).numpy())
