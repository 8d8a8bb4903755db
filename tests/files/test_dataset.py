"""The splits of data/prepared, each read from its own folder."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.files import dataset
from pipeline.files.dataset import Split


def test_training_sees_train_and_val_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 3), ("val", 2)):
        split = Split(np.full((count, 32, 32, 3), count, np.uint8), np.arange(count, dtype=np.uint8))
        split.write(f"{dataset.PREPARED}/{name}/")
    train, val = dataset.train_and_val()
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 1, 2], [0, 1])
    assert (np.unique(train.images).tolist(), np.unique(val.images).tolist()) == ([3], [2])
