from collections import Counter

import numpy as np
import pytest

from pipeline.common.command import UserError
from pipeline.common.data import Part
from pipeline.preprocess import channel_statistics, check, duplicates, split

RANDOM = np.random.default_rng(0)


def part(count: int, classes: int = 10) -> Part:
    images = RANDOM.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Part(images, (np.arange(count) % classes).astype(np.uint8))


def test_the_split_is_stratified_and_loses_nothing() -> None:
    whole = part(500)
    train, val = split(whole, 0.2, seed=100)
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(10), 40)
    assert Counter(val.labels.tolist()) == dict.fromkeys(range(10), 10)
    together = {image.tobytes() for image in (*train.images, *val.images)}
    assert together == {image.tobytes() for image in whole.images}


def test_the_split_follows_from_its_seed() -> None:
    whole = part(500)
    assert np.array_equal(split(whole, 0.2, 100)[1].images, split(whole, 0.2, 100)[1].images)
    assert not np.array_equal(split(whole, 0.2, 100)[1].images, split(whole, 0.2, 101)[1].images)


def test_images_keep_their_labels() -> None:
    whole = part(500)
    label = {image.tobytes(): label for image, label in zip(whole.images, whole.labels, strict=True)}
    for piece in split(whole, 0.2, seed=100):
        assert [label[image.tobytes()] for image in piece.images] == piece.labels.tolist()


def test_a_fraction_that_leaves_a_class_without_images_is_refused() -> None:
    with pytest.raises(UserError, match=r"split\.validation_fraction is 0\.01") as caught:
        split(part(50), 0.01, seed=100)
    assert "\n" not in str(caught.value)


def test_duplicates_are_counted_between_parts() -> None:
    train, val, test = part(30), part(20), part(10)
    val.images[3] = val.images[4] = train.images[7]
    test.images[0] = train.images[0]
    test.images[1] = val.images[0]
    test.images[2] = train.images[1] ^ (np.arange(3072).reshape(32, 32, 3) == 5)
    assert duplicates({"train": train, "val": val, "test": test}) == {"train_val": 2, "train_test": 1, "val_test": 1}


def test_channel_statistics_are_numpys() -> None:
    images = part(20).images
    statistics = channel_statistics(images)
    assert statistics["mean"] == pytest.approx((images / 255).mean(axis=(0, 1, 2)))
    assert statistics["std"] == pytest.approx((images / 255).std(axis=(0, 1, 2)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Part(part(20).images[:, :31], part(20).labels), r"train_images\.npy is uint8 \(20, 31, 32, 3\)"),
        (Part(part(20).images.astype(np.float32), part(20).labels), r"train_images\.npy is float32"),
        (Part(part(20).images, part(19).labels), r"train_labels\.npy is uint8 \(19,\)"),
        (Part(part(20).images, part(20, classes=11).labels), r"has the labels .* 10\]; allowed: each of 0 to 9"),
        (Part(part(20).images, part(20, classes=9).labels), r"allowed: each of 0 to 9"),
    ],
)
def test_malformed_arrays_are_refused(bad: Part, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check("train", bad, 10)
