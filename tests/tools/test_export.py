"""ONNX files of models of every kind, asked by ONNX Runtime."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import tools
from pipeline.files.errors import UserError
from pipeline.networks import saving
from pipeline.networks.initial_weights import initialise
from pipeline.networks.looks import averaged
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.training.models import build
from pipeline.training.optimisers import keras_optimiser
from tests.training.examples import TRAIN, VAL, recipe
from tools import export

NETWORKS: dict[str, Network] = {
    "dense": DenseNetwork((16, 8), (1e-3, 0.0), (0.0, 0.5)),
    "residual": DenseNetwork(
        (16, 16), (0.0, 0.0), (0.0, 0.0), normalisation=True, residual=True, frequencies=6, looks="mirrored"
    ),
    "averaged": ConvolutionalNetwork((8,), dropout=0.3, looks="mirrored"),
}
NAMES = [*"abcdefghi", "猫"]


def in_bfloat16(config: Any) -> Any:
    """A model's configuration whose layers compute in bfloat16, but for the one that gives the probabilities."""
    match config:
        case {"name": "probabilities" | "average"}:
            return config
        case {"class_name": "DTypePolicy"}:
            return config | {"config": {"name": "mixed_bfloat16"}}
        case dict():
            return {key: in_bfloat16(value) for key, value in config.items()}
        case list() | tuple():
            return type(config)(in_bfloat16(value) for value in config)
    return config


def saved(path: Path, network: Network, policy: str) -> Path:
    trained = build(network, TRAIN, 10)
    initialise(trained, 100)
    model = averaged(trained, network.looks)
    if policy == "mixed_bfloat16":
        mixed = type(model).from_config(in_bfloat16(model.get_config()))
        mixed.set_weights(model.get_weights())
        model = mixed
    model.compile(keras_optimiser(recipe(1, 0.01)), "sparse_categorical_crossentropy", metrics=["accuracy"])
    saving.save(path, model, NAMES)
    return path


@pytest.mark.parametrize(
    ("name", "policy"), [*((name, "float32") for name in NETWORKS), ("residual", "mixed_bfloat16")]
)
def test_the_file_answers_as_the_model_in_float32_and_the_distance_to_the_saved_one_is_said(
    name: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "model.keras", NETWORKS[name], policy)
    export.main(str(path), "--format", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    assert (image.type, image.shape[1:]) == ("tensor(uint8)", [32, 32, 3])
    model = saving.load(path)
    in_float32 = export.in_float32(model)
    assert "bfloat16" not in json.dumps(in_float32.get_config(), default=str)
    # Any number of images.
    for images in (VAL.images, VAL.images[:1]):
        (given,) = session.run(None, {image.name: images})
        np.testing.assert_allclose(given, in_float32(images, training=False), rtol=0, atol=1e-5)
    # All that Keras knows of the model is in one file.
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.keras", "model.onnx"]
    (names,) = (entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props)
    assert json.loads(names) == NAMES

    said = re.fullmatch(
        r".*model\.onnx: float32; its probabilities on 1,000 images of noise, because .* is missing differ by (\S+) at "
        r"most from those of the model in float32, and by (\S+) at most from those of .*model\.keras\n",
        capsys.readouterr().out,
    )
    assert said is not None
    error, distance = map(float, said.groups())
    assert error <= 1e-5
    seen, _ = export.images()
    (given,) = session.run(None, {image.name: seen})
    assert distance == pytest.approx(np.abs(given - model.predict(seen, verbose=0)).max(), rel=0.1, abs=1e-7)
    assert (distance > 1e-4) == (policy == "mixed_bfloat16")


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "model.keras", NETWORKS["dense"], "float32")
    monkeypatch.setattr("tools.onnx_format.outputs", lambda *_: np.full((1000, 10), 0.5, np.float32))
    with pytest.raises(
        RuntimeError, match=r"model\.onnx: its probabilities are up to 0\.\d+ off the model's in float32"
    ):
        export.main(str(path), "--format", "onnx")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.keras"]


def test_without_the_extra_one_line_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "model.keras", NETWORKS["dense"], "float32")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "tools.onnx_format", raising=False)
    monkeypatch.delattr(tools, "onnx_format", raising=False)
    with pytest.raises(
        UserError, match=r"onnxruntime is not installed; 'make \.venv' installs it, as does the extra onnx"
    ):
        export.main(str(path), "--format", "onnx")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_text("none")
    with pytest.raises(UserError, match="not a model that Keras can open"):
        export.main(str(tmp_path / "a.keras"), "--format", "onnx")
    with pytest.raises(UserError, match=r"b\.keras is missing; allowed: a \.keras file of this project"):
        export.main(str(tmp_path / "b.keras"), "--format", "onnx")
