"""A Keras model as an ONNX file: written by Keras' own export, and asked by ONNX Runtime.

Needs the packages of the extra `onnx`.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from pipeline.networks.backend import keras


def write(path: Path, model: keras.Model, class_names: Sequence[str]) -> None:
    """Write ``model``, whose layers compute in float32; ``class_names`` stand as JSON in the file's metadata."""
    # Keras exports only what was called.
    model(np.zeros((1, *model.input_shape[1:]), np.uint8), training=False)
    with warnings.catch_warnings():
        # Keras asks numpy for a name that numpy will give another meaning.
        warnings.filterwarnings("ignore", ".*np.object", FutureWarning)
        model.export(str(path), format="onnx", verbose=False)
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, {"class_names": json.dumps(list(class_names))})
    onnx.save(exported, path)


def outputs(path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What ONNX Runtime answers, float32 (n, classes), to ``images`` (n, 32, 32, 3)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(answers, np.float32)
