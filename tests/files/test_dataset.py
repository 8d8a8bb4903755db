"""The splits of data/prepared, each read from its own folder."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.files import dataset
from pipeline.files.artefacts import read_array
from pipeline.files.dataset import Split
from pipeline.files.errors import UserError


def test_training_sees_train_and_val_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 3), ("val", 2)):
        split = Split(np.full((count, 32, 32, 3), count, np.uint8), np.arange(count, dtype=np.uint8))
        split.write(f"{dataset.PREPARED}/{name}/")
    train, val = dataset.train_and_val()
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 1, 2], [0, 1])
    assert (np.unique(train.images).tolist(), np.unique(val.images).tolist()) == ([3], [2])


@pytest.mark.parametrize(
    "content", ["null", "5", "[]", '["a"]', '["a", "a"]', '["a", ""]', '["a", 1]', '"ab"', '{"a": 1}']
)
def test_class_names_are_different_names(tmp_path: Path, content: str) -> None:
    path = tmp_path / "class_names.json"
    path.write_text('["a", "b"]')
    assert dataset.class_names(path) == ["a", "b"]
    path.write_text(content)
    with pytest.raises(UserError, match=r"class_names.json is damaged; allowed: a list of two or more different names"):
        dataset.class_names(path)


def test_several_arrays_in_a_file_are_no_array(tmp_path: Path) -> None:
    with (tmp_path / "images.npy").open("wb") as file:
        np.savez(file, np.ones(3))
    with pytest.raises(UserError, match=r"images.npy is damaged \(several arrays"):
        read_array(tmp_path / "images.npy")
