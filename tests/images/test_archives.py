import io
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from pipeline.fetch import CATALOGUE, obtain
from pipeline.files.dataset import TrainAndTest
from pipeline.files.errors import UserError
from pipeline.images import archives, catalogue
from tests.conftest import CLASSES, ROOT, binary_members, catalogue_entry, folder_members, tar


def read(path: Path, layout: str) -> TrainAndTest:
    return archives.read(path, catalogue.Entry.model_validate(catalogue_entry(path, layout)))


def refusal(path: Path, layout: str) -> str:
    with pytest.raises(UserError) as caught:
        read(path, layout)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_binary_layout_is_read_record_by_record(tmp_path: Path) -> None:
    members = binary_members()
    images = read(tar(tmp_path / "a.tar.gz", members), "binary")
    assert images.train.images.shape == (100, 32, 32, 3)
    assert images.test.labels.shape == (20,)
    record = members["cifar-10-batches-bin/data_batch_2.bin"][3 * 3073 : 4 * 3073]
    image, label = images.train.images[20 + 3], images.train.labels[20 + 3]
    assert label == record[0]
    # Red of row 5, column 7; then green and blue, 1,024 bytes further each.
    assert image[5, 7].tolist() == [record[1 + channel * 1024 + 5 * 32 + 7] for channel in range(3)]


def test_class_folders_are_read_in_the_order_of_class_and_number(tmp_path: Path) -> None:
    members = folder_members()
    names = np.random.default_rng(1).permutation(list(members)).tolist()
    shuffled = {name: members[name] for name in names}
    images = read(tar(tmp_path / "a.tar.xz", shuffled), "folders")
    assert images.train.labels.tolist() == [label for label in range(10) for _ in range(10)]
    expected = np.asarray(Image.open(io.BytesIO(members["test/dog/0001.jpg"])))
    assert np.array_equal(images.test.images[CLASSES.index("dog") * 2 + 1], expected)


def test_the_digits_are_scikit_learns() -> None:
    path, entry = obtain("digits", catalogue.read(ROOT / CATALOGUE, "digits"))
    images = archives.read(path, entry)
    assert len(images.train.labels) + len(images.test.labels) == 1797
    assert images.train.images.shape[1:] == images.test.images.shape[1:] == (32, 32, 3)
    ours = np.concatenate([images.train.images, images.test.images])[:, ::4, ::4, 0] / 255 * 16
    theirs = sklearn.datasets.load_digits().images
    assert sorted(np.rint(ours).reshape(-1, 64).tolist()) == sorted(theirs.reshape(-1, 64).tolist())


@pytest.mark.parametrize(
    ("layout", "suffix", "member"),
    [("binary", "gz", "cifar-10-batches-bin/data_batch_4.bin"), ("folders", "xz", "train/cat/0003.jpg")],
)
def test_a_missing_member_is_named(tmp_path: Path, layout: str, suffix: str, member: str) -> None:
    members = binary_members() if layout == "binary" else folder_members()
    del members[member]
    assert member in refusal(tar(tmp_path / f"a.tar.{suffix}", members), layout)


def test_a_label_of_ten_is_named(tmp_path: Path) -> None:
    members = binary_members()
    batch = bytearray(members["cifar-10-batches-bin/data_batch_3.bin"])
    batch[3073 * 6] = 10
    members["cifar-10-batches-bin/data_batch_3.bin"] = bytes(batch)
    message = refusal(tar(tmp_path / "a.tar.gz", members), "binary")
    assert "data_batch_3.bin has label 10 in record 6; allowed: 0 to 9" in message


def test_a_batch_cut_short_is_named(tmp_path: Path) -> None:
    members = binary_members()
    members["cifar-10-batches-bin/test_batch.bin"] = members["cifar-10-batches-bin/test_batch.bin"][:-1]
    assert "test_batch.bin has 61459 bytes" in refusal(tar(tmp_path / "a.tar.gz", members), "binary")


def test_a_class_with_too_few_images_is_named(tmp_path: Path) -> None:
    members = binary_members()
    members["cifar-10-batches-bin/test_batch.bin"] = members["cifar-10-batches-bin/test_batch.bin"][3073:]
    assert "1 test images of class" in refusal(tar(tmp_path / "a.tar.gz", members), "binary")


@pytest.mark.parametrize("content", [b"no image", folder_members()["train/cat/0000.jpg"][:300]])
def test_a_member_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tar(tmp_path / "a.tar.xz", folder_members() | {"test/frog/0000.jpg": content})
    assert "test/frog/0000.jpg is not an image" in refusal(path, "folders")


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (31, 32)).save(content, "JPEG")
    path = tar(tmp_path / "a.tar.xz", folder_members() | {"test/frog/0000.jpg": content.getvalue()})
    assert "test/frog/0000.jpg has shape (32, 31, 3)" in refusal(path, "folders")


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"not a tar archive" * 1000)
    assert "a.tar.gz: not a readable tar archive" in refusal(path, "binary")
