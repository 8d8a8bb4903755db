import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.networks import convolutional, cost, dense
from pipeline.params import reading
from pipeline.params.runs import ConvolutionalNetwork, uniform
from tests.conftest import ROOT
from tools import times, work
from tools.times import Time

TEXT = '{"a": {"seconds": "1", "multiply_adds": 1, "threads": 1}}'


@pytest.mark.parametrize("units", [(), (16,), (32, 16, 8)])
@pytest.mark.parametrize(("normalisation", "frequencies"), [(False, 0), (True, 0), (True, 9)])
def test_a_dense_network_multiplies_what_its_layers_do(
    units: tuple[int, ...], normalisation: bool, frequencies: int
) -> None:
    parts: dict[str, Any] = {"normalisation": normalisation, "frequencies": frequencies}
    network = replace(uniform(units), **parts)
    model = dense.build(network.units, network.l2, network.dropout, 7, **parts)
    assert work.multiply_adds(network, 7) == cost.multiply_adds(model)


@pytest.mark.parametrize("widths", [(8,), (8, 16, 32)])
@pytest.mark.parametrize("whitening", [False, True])
def test_a_convolutional_network_multiplies_what_its_layers_do(widths: tuple[int, ...], whitening: bool) -> None:
    model = convolutional.build(widths, 0.0, whitening, 7)
    assert work.multiply_adds(ConvolutionalNetwork(widths, 0.0, whitening), 7) == cost.multiply_adds(model)


def test_every_training_stage_of_the_study_has_its_work() -> None:
    params = reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")
    # 5,000 images of ten classes, a fifth for validation
    data = 40_000, 10
    assert work.of_stage(["baseline", "100"], params, data) == 2 * 30_720 * 50 * 40_000
    shallow = 2 * 3072 * 128 + 3 * (128 * 64 + 64 * 10)
    assert work.of_stage(["scale", "shallow", "100"], params, data) == shallow * 50 * 40_000
    # Four of five folds of all 50,000 are as many as the training images.
    folds = work.of_stage(["folds", "conv-5min", "2"], params, data)
    assert folds == work.of_stage(["beyond", "conv-5min", "100"], params, data)
    search = params.tune.searches["broad"]
    least, greatest = (
        work.multiply_adds(uniform((width,) * layers), 10) * search.planned_epochs * 40_000
        for width, layers in ((128, 2), (512, 4))
    )
    assert least < (work.of_stage(["tune", "broad"], params, data) or 0) < greatest
    for kind in ("fingerprint", "fetch", "preprocess", "report"):
        assert work.of_stage([kind], params, data) is None
    assert work.of_stage(["evaluate", "scale"], params, data) is None
    assert work.of_stage(["baseline", "100"], params, None) is None


def test_times_are_kept_for_each_stage_and_a_damaged_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(times, "path", lambda: tmp_path / "cache" / "times.json")
    assert times.read() == {}
    times.record("a", Time(1.5, 10, 2))
    times.record("b", Time(2.5, None, 2))
    times.record("a", Time(3.5, 20, 2))
    assert times.read() == {"a": Time(3.5, 20, 2), "b": Time(2.5, None, 2)}
    for damaged in ("{", "[1]", json.dumps({"a": {"seconds": 1}}), TEXT, "\xff"):
        times.path().write_text(damaged, encoding="latin-1")
        assert times.read() == {}
        assert f"warning: {times.path()} cannot be read" in capsys.readouterr().err
    times.record("a", Time(1.5, 10, 2))
    assert times.read() == {"a": Time(1.5, 10, 2)}


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"dataset": "cifar10-jpeg"}'])
def test_the_catalogue_says_how_many_images_there_are_where_files_are_damaged(
    damaged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("metrics/dataset.json", "data/prepared/train/labels.npy"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(damaged)
    assert work.data_set(reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")) == (40_000, 10)
