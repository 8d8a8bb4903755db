from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.networks.backend import tf
from pipeline.networks.draws import Draws, Use
from pipeline.training import augmentation
from tests.training.examples import recipe

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), np.uint8)
ROWS = np.random.default_rng(1).permutation(300).astype(np.int32)
KEYS = np.array([3, 4], np.uint32)


def draws(step: int, keys: npt.NDArray[np.uint32] = KEYS) -> Draws:
    return Draws(tf.constant(keys), tf.constant(step), tf.constant(0))


def batch(step: int = 0, epoch: int = 0, keys: npt.NDArray[np.uint32] = KEYS, **parts: Any) -> npt.NDArray[np.uint8]:
    own = recipe(1, 0.1, **parts)
    arguments = tf.constant(IMAGES), tf.constant(ROWS), draws(step, keys), tf.constant(keys), tf.constant(epoch)
    return np.asarray(augmentation.augmented(own, *arguments))


def mirrored(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of the images are mirrored; the others must be as they were."""
    plain = (images == IMAGES[ROWS]).all(axis=(1, 2, 3))
    turned: npt.NDArray[np.bool_] = (images == IMAGES[ROWS][:, :, ::-1]).all(axis=(1, 2, 3))
    assert (plain ^ turned).all()
    return turned


def test_without_augmentation_images_are_as_they_were() -> None:
    assert np.array_equal(batch(), IMAGES[ROWS])


def test_half_of_the_images_are_mirrored_and_others_in_every_step() -> None:
    first, second = mirrored(batch(0, flip="random")), mirrored(batch(1, flip="random"))
    assert 110 < first.sum() < 190
    assert 110 < (first ^ second).sum() < 190


def test_alternating_flips_show_the_other_side_in_the_next_epoch() -> None:
    sides = [mirrored(batch(step, epoch, flip="alternating")) for epoch, step in ((0, 5), (1, 9), (2, 13))]
    assert 110 < sides[0].sum() < 190
    assert np.array_equal(sides[0], ~sides[1])
    assert np.array_equal(sides[0], sides[2])


@pytest.mark.parametrize("flip", ["random", "alternating"])
@pytest.mark.parametrize("keys", [[3, 5], [4, 4]])
def test_another_seed_mirrors_other_images(flip: str, keys: list[int]) -> None:
    first, second = mirrored(batch(flip=flip)), mirrored(batch(flip=flip, keys=np.array(keys, np.uint32)))
    assert 110 < (first ^ second).sum() < 190


@pytest.mark.parametrize("shift", [1, 4])
def test_shifted_images_are_cut_from_a_reflected_border(shift: int) -> None:
    shifts = draws(2).below(2 * shift + 1, Use.SHIFT, len(ROWS), 2).numpy()
    assert {*range(2 * shift + 1)} == set(shifts[:, 0]) == set(shifts[:, 1])
    padded = np.pad(IMAGES[ROWS], ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
    expected = [
        image[down : down + 32, right : right + 32] for image, (down, right) in zip(padded, shifts, strict=True)
    ]
    assert np.array_equal(batch(2, shift=shift), np.stack(expected))
    flips = draws(2).below(2, Use.FLIP, len(ROWS), 1).numpy()[:, 0]
    padded[flips == 1] = padded[flips == 1, :, ::-1]
    turned = [image[down : down + 32, right : right + 32] for image, (down, right) in zip(padded, shifts, strict=True)]
    assert np.array_equal(batch(2, shift=shift, flip="random"), np.stack(turned))


@pytest.mark.parametrize("size", [3, 8])
def test_cutout_blanks_a_square_around_any_pixel(size: int) -> None:
    changed = (batch(cutout=size) != IMAGES[ROWS]).any(axis=3)
    blank = (batch(cutout=size) == augmentation.BLANK).all(axis=3)
    centres = np.hstack([draws(0).below(32, Use.CUTOUT + axis, len(ROWS), 1).numpy() for axis in (0, 1)])
    assert len(set(centres[:, 0])) == len(set(centres[:, 1])) == 32
    assert abs(np.corrcoef(centres.T)[0, 1]) < 0.3
    for image, (down, right) in enumerate(centres):
        expected = np.zeros((32, 32), bool)
        rows = slice(max(0, down - size // 2), max(0, down - size // 2 + size))
        columns = slice(max(0, right - size // 2), max(0, right - size // 2 + size))
        expected[rows, columns] = True
        assert not (changed[image] & ~expected).any()
        assert blank[image][expected].all()


def test_mixed_images_are_the_rounded_mean_with_their_partner() -> None:
    mixed = np.asarray(augmentation.mixed(tf.constant(IMAGES), tf.constant(0.7)))
    expected = np.float32(0.7) * IMAGES.astype(np.float32) + np.float32(0.3) * IMAGES[::-1].astype(np.float32)
    assert mixed.dtype == np.uint8
    assert np.abs(mixed - expected).max() <= 0.5 + 1e-4


def test_shares_are_of_the_beta_distribution_and_never_below_a_half() -> None:
    own = recipe(1, 0.1, mixup=0.4)
    shares = augmentation.shares(own, 100, range(3000))
    assert shares.dtype == np.float32
    assert 0.5 <= shares.min() <= shares.max() <= 1
    drawn = np.random.default_rng(0).beta(0.4, 0.4, 100_000)
    assert shares.mean() == pytest.approx(np.maximum(drawn, 1 - drawn).mean(), abs=0.01)
    assert np.array_equal(shares[7:9], augmentation.shares(own, 100, range(7, 9)))
    assert not np.array_equal(shares[:9], augmentation.shares(own, 101, range(9)))
