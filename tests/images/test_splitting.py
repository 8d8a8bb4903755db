import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline import preprocess
from pipeline.files.artefacts import write_json
from pipeline.files.dataset import RAW, Split
from pipeline.files.errors import UserError
from pipeline.images.splitting import channel_statistics, check, duplicates, fold, stratified
from tests.conftest import CLASSES, ROOT


def noise(count: int, classes: int = 10, seed: int = 0) -> Split:
    """So many images of noise, of each class in turn."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Split(images, (np.arange(count) % classes).astype(np.uint8))


def test_the_split_is_stratified_and_loses_nothing() -> None:
    whole = noise(500)
    train, val = stratified(whole, 0.2, seed=100)
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(10), 40)
    assert Counter(val.labels.tolist()) == dict.fromkeys(range(10), 10)
    together = {image.tobytes() for image in (*train.images, *val.images)}
    assert together == {image.tobytes() for image in whole.images}


def test_the_split_follows_from_its_seed() -> None:
    whole = noise(500)
    assert np.array_equal(stratified(whole, 0.2, 100)[1].images, stratified(whole, 0.2, 100)[1].images)
    assert not np.array_equal(stratified(whole, 0.2, 100)[1].images, stratified(whole, 0.2, 101)[1].images)


def test_images_keep_their_labels() -> None:
    whole = noise(500)
    label = {image.tobytes(): label for image, label in zip(whole.images, whole.labels, strict=True)}
    for piece in stratified(whole, 0.2, seed=100):
        assert [label[image.tobytes()] for image in piece.images] == piece.labels.tolist()


@pytest.mark.parametrize(("count", "classes", "of"), [(500, 10, 5), (503, 10, 5), (21, 3, 2)])
def test_every_image_is_in_one_fold_and_every_fold_is_stratified(count: int, classes: int, of: int) -> None:
    whole = noise(count, classes)
    label = {image.tobytes(): label for image, label in zip(whole.images, whole.labels.tolist(), strict=True)}
    pairs = [fold(whole, number, of, seed=100) for number in range(1, of + 1)]
    validated = [image.tobytes() for _, val in pairs for image in val.images]
    assert len(validated) == count
    assert set(validated) == set(label)
    for train, val in pairs:
        held_out = {image.tobytes() for image in val.images}
        assert {image.tobytes() for image in train.images} == set(label) - held_out
        assert len(train.labels) + len(val.labels) == count
        for split in (train, val):
            assert [label[image.tobytes()] for image in split.images] == split.labels.tolist()
        for number, of_class in Counter(whole.labels.tolist()).items():
            assert abs(val.labels.tolist().count(number) - of_class / of) < 1


def test_folds_follow_from_their_seed_and_are_in_no_order() -> None:
    whole = noise(500)
    rows = [fold(whole, 2, 5, seed)[1].images.tobytes() for seed in (100, 100, 101)]
    assert rows[0] == rows[1] != rows[2]
    first = {image.tobytes() for image in fold(whole, 1, 5, seed=100)[1].images}
    assert first != {image.tobytes() for image in whole.images[:100]}


def test_a_fraction_that_leaves_a_class_without_images_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"1 of 50 images; allowed: one of each class \(10\) on both sides"):
        stratified(noise(50), 0.01, seed=100)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "fingerprints", "fingerprints")
    params = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("validation_fraction: 0.2", "validation_fraction: 0.01"))
    write_json(RAW / "class_names.json", CLASSES)
    for name in ("train", "test"):
        noise(50).write(f"{RAW / name}_")
    with pytest.raises(
        UserError, match=r"params\.yaml: split\.validation_fraction is 0\.01: 1 of 50 images; allowed"
    ) as caught:
        preprocess.main()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("few", [2, 3, 4])
def test_each_class_of_two_images_or_more_is_on_both_sides(few: int, fraction: float) -> None:
    for seed in range(10):
        whole = noise(300, classes=3)
        whole = Split(whole.images, np.where(np.arange(300) < few, 3, whole.labels).astype(np.uint8))
        first, second = stratified(whole, fraction, seed)
        for split in (first, second):
            assert np.bincount(split.labels, minlength=4).min() >= 1
        together = sorted(image.tobytes() for image in (*first.images, *second.images))
        assert together == sorted(image.tobytes() for image in whole.images)


def test_a_class_with_too_few_images_to_train_and_validate_is_named() -> None:
    whole = noise(20)
    one = whole.rows(np.flatnonzero(np.arange(20) != 13))
    check("train", whole, CLASSES, least=2)
    check("test", one, CLASSES)
    with pytest.raises(UserError, match=r"class cat has 1 train image; allowed: 2 at least"):
        check("train", one, CLASSES, least=2)


def test_duplicates_are_counted_between_splits() -> None:
    train, val, test = noise(30, seed=0), noise(20, seed=1), noise(10, seed=2)
    val.images[3] = val.images[4] = train.images[7]
    test.images[0] = train.images[0]
    test.images[1] = val.images[0]
    test.images[2] = train.images[1] ^ (np.arange(3072).reshape(32, 32, 3) == 5)
    assert duplicates({"train": train, "val": val, "test": test}) == {"train_val": 2, "train_test": 1, "val_test": 1}


def test_channel_statistics_are_numpys() -> None:
    images = noise(20).images
    statistics = channel_statistics(images)
    assert statistics["mean"] == pytest.approx((images / 255).mean(axis=(0, 1, 2)))
    assert statistics["std"] == pytest.approx((images / 255).std(axis=(0, 1, 2)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Split(noise(20).images[:, :31], noise(20).labels), r"train_images\.npy is uint8 \(20, 31, 32, 3\)"),
        (Split(noise(20).images.astype(np.float32), noise(20).labels), r"train_images\.npy is float32"),
        (Split(noise(20).images, noise(19).labels), r"train_labels\.npy is uint8 \(19,\)"),
        (Split(noise(20).images, noise(20, classes=11).labels), r"has the labels .* 10\]; allowed: each of 0 to 9"),
        (Split(noise(20).images, noise(20, classes=9).labels), r"allowed: each of 0 to 9"),
    ],
)
def test_malformed_arrays_are_refused(bad: Split, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check("train", bad, CLASSES)
