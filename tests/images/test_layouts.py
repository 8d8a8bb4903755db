"""The layouts of known data sets: pixels and labels come out as they went in, and what does not fit is named."""

import io
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from pipeline.fetch import CATALOGUE, obtain
from pipeline.files.dataset import TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images import catalogue, layouts
from tests.conftest import CLASSES, ROOT, binary_members, catalogue_entry, folder_members


def decode(members: Mapping[str, bytes], layout: str) -> TrainAndTest:
    entry = catalogue.Entry.model_validate(catalogue_entry(members, layout))
    files = {PurePosixPath(name): content for name, content in members.items()}
    assert set(layouts.expected(entry)) == set(files)
    return layouts.decode(files, entry)


def refusal(members: Mapping[str, bytes], layout: str) -> str:
    with pytest.raises(UserError) as caught:
        decode(members, layout)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_binary_layout_is_read_record_by_record() -> None:
    members = binary_members()
    images = decode(members, "binary")
    assert images.train.images.shape == (100, 32, 32, 3)
    assert images.test.labels.shape == (20,)
    record = members["data_batch_2.bin"][3 * 3073 : 4 * 3073]
    image, label = images.train.images[20 + 3], images.train.labels[20 + 3]
    assert label == record[0]
    # Red of row 5, column 7; then green and blue, 1,024 bytes further each.
    assert image[5, 7].tolist() == [record[1 + channel * 1024 + 5 * 32 + 7] for channel in range(3)]


def test_class_folders_are_read_in_the_order_of_class_and_number() -> None:
    members = folder_members()
    names = np.random.default_rng(1).permutation(list(members)).tolist()
    images = decode({name: members[name] for name in names}, "folders")
    assert images.train.labels.tolist() == [label for label in range(10) for _ in range(10)]
    expected = np.asarray(Image.open(io.BytesIO(members["test/dog/0001.jpg"])))
    assert np.array_equal(images.test.images[CLASSES.index("dog") * 2 + 1], expected)


def test_the_digits_are_scikit_learns() -> None:
    entry = catalogue.read(ROOT / CATALOGUE)["digits"]
    files, digest, clutter = obtain("digits", entry)
    assert (digest, clutter) == (entry.content, [])
    images = layouts.decode(files, entry)
    assert len(images.train.labels) + len(images.test.labels) == 1797
    assert images.train.images.shape[1:] == images.test.images.shape[1:] == (32, 32, 3)
    ours = np.concatenate([images.train.images, images.test.images])[:, ::4, ::4, 0] / 255 * 16
    theirs = sklearn.datasets.load_digits().images
    assert sorted(np.rint(ours).reshape(-1, 64).tolist()) == sorted(theirs.reshape(-1, 64).tolist())


def test_a_label_of_ten_is_named() -> None:
    members = binary_members()
    batch = bytearray(members["data_batch_3.bin"])
    batch[3073 * 6] = 10
    message = refusal(members | {"data_batch_3.bin": bytes(batch)}, "binary")
    assert "data_batch_3.bin has label 10 in record 6; allowed: 0 to 9" in message


def test_a_batch_cut_short_is_named() -> None:
    members = binary_members()
    assert "test_batch.bin has 61459 bytes" in refusal(
        members | {"test_batch.bin": members["test_batch.bin"][:-1]}, "binary"
    )


def test_a_class_with_too_few_images_is_named() -> None:
    members = binary_members()
    assert "1 test image of class" in refusal(members | {"test_batch.bin": members["test_batch.bin"][3073:]}, "binary")


@pytest.mark.parametrize("content", [b"no image", folder_members()["train/cat/0000.jpg"][:300]])
def test_a_file_that_is_no_image_is_named(content: bytes) -> None:
    assert "test/frog/0000.jpg is not an image" in refusal(
        folder_members() | {"test/frog/0000.jpg": content}, "folders"
    )


def test_an_image_of_another_size_is_named() -> None:
    content = io.BytesIO()
    Image.new("RGB", (31, 32)).save(content, "JPEG")
    message = refusal(folder_members() | {"test/frog/0000.jpg": content.getvalue()}, "folders")
    assert "test/frog/0000.jpg has shape (32, 31, 3)" in message
