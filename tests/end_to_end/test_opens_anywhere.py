"""A saved model without this project: another process, in an empty folder, with Keras alone."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.networks import saving
from pipeline.networks.initial_weights import initialise
from pipeline.networks.looks import averaged
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.training.models import build
from pipeline.training.optimisers import keras_optimiser
from tests.training.examples import TRAIN, VAL, recipe

CLASSES = list("abcdefghij")
NETWORKS: dict[str, Network] = {
    "dense": DenseNetwork((16, 8), (1e-3, 0.0), (0.0, 0.5)),
    "normalised": DenseNetwork((16,), (0.0,), (0.2,), normalisation=True),
    "residual": DenseNetwork((16, 16), (0.0, 0.0), (0.0, 0.0), residual=True, frequencies=6, looks="mirrored"),
    "convolutional": ConvolutionalNetwork((8, 16), dropout=0.3),
    "averaged": ConvolutionalNetwork((8,), looks="mirrored-shifted"),
}

# Opens each file that it is told, in safe mode. An environment that make has made knows the project: here it cannot be
# imported.
OPENING = """
import json, sys, zipfile
import keras, numpy
sys.modules["pipeline"] = None
images = numpy.load("images.npy")
for path in sys.argv[1:]:
    model = keras.models.load_model(path, safe_mode=True)
    names = json.loads(zipfile.ZipFile(path).read("metadata.json"))["class_names"]
    print(json.dumps([names, model.predict(images, verbose=0).tolist()]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
    """Of each kind its classes, the probabilities in the other process, and those of the model that was saved."""
    folder, expected = tmp_path_factory.mktemp("empty"), []
    np.save(folder / "images.npy", VAL.images)
    for name, network in NETWORKS.items():
        trained = build(network, TRAIN, 10)
        initialise(trained, 100)
        model = averaged(trained, network.looks)
        own = recipe(1, 0.01, optimiser="sgd" if name == "convolutional" else "adam")
        model.compile(keras_optimiser(own), "sparse_categorical_crossentropy", metrics=["accuracy"])
        saving.save(folder / f"{name}.keras", model, CLASSES)
        expected.append(model.predict(VAL.images, verbose=0))
    words = [sys.executable, "-I", "-c", OPENING, *(f"{name}.keras" for name in NETWORKS)]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()[-len(NETWORKS) :]]
    return {name: (*line, own) for name, line, own in zip(NETWORKS, lines, expected, strict=True)}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_opens_anywhere_and_answers_alike(
    answers: dict[str, tuple[list[str], np.ndarray, np.ndarray]], name: str
) -> None:
    classes, theirs, ours = answers[name]
    assert classes == CLASSES
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-7)
