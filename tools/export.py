"""A saved model in another format, for programs without Keras. Not a stage.

python -m tools.export MODEL --format onnx writes the file beside the model, with the suffix .onnx.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.console import absent, arguments, command
from pipeline.evaluation.inference import outputs
from pipeline.files.artefacts import atomic_write, read_array
from pipeline.files.errors import UserError
from pipeline.images.decoding import SIDE
from pipeline.networks import saving
from pipeline.networks.backend import keras

# Between the file and the model in float32: rounding alone.
TOLERANCE = 1e-5
_IMAGES = 1000
_VALIDATION = Path("data/prepared/val/images.npy")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the process with exit code 2 for unknown or missing words.

    Raises :class:`UserError` for an empty path.
    """
    parser = argparse.ArgumentParser("python -m tools.export", description="Write a model in another format.")
    parser.add_argument("model", type=arguments.named, metavar="MODEL", help="a .keras file of this project")
    parser.add_argument("--format", choices=["onnx"], required=True, help="onnx: for ONNX Runtime and others")
    return parser.parse_args(words)


def in_float32(model: keras.Model) -> keras.Model:
    """``model`` with the same weights, whose layers all compute in float32."""
    rebuilt = type(model).from_config(_in_float32(model.get_config()))
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _in_float32(config: Any) -> Any:
    match config:
        case {"class_name": "DTypePolicy", "config": {"name": _}}:
            return config | {"config": config["config"] | {"name": "float32"}}
        case dict():
            return {key: _in_float32(value) for key, value in config.items()}
        case list() | tuple():
            return type(config)(_in_float32(value) for value in config)
    return config


def images() -> tuple[npt.NDArray[np.uint8], str]:
    """Images, uint8 (n, 32, 32, 3), on which models are compared, and what they are."""
    if _VALIDATION.exists():
        found = read_array(_VALIDATION)[:_IMAGES]
        return found, f"the first {len(found):,} validation images"
    made = np.random.default_rng(0).integers(0, 256, (_IMAGES, SIDE, SIDE, 3), np.uint8)
    return made, f"{_IMAGES:,} images of noise, because {_VALIDATION} is missing"


def main(*words: str) -> None:
    """Write the file; say how far its probabilities are from those of the saved model."""
    path: Path = parsed(words).model
    if not path.exists():
        raise UserError(absent.how_to_get(path))
    try:
        from tools import onnx_format
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; 'make .venv' installs it, as does the extra onnx") from None
    model, names = saving.load_classifier(path, (SIDE, SIDE, 3))
    rebuilt = in_float32(model)
    seen, what = images()
    target = path.with_suffix(".onnx")
    with atomic_write(target) as temporary:
        onnx_format.write(temporary, rebuilt, names)
        given = onnx_format.outputs(temporary, seen)
        rounding = float(np.abs(given - outputs(rebuilt, seen)).max())
        if not rounding <= TOLERANCE:
            raise RuntimeError(f"{target}: its probabilities are up to {rounding:g} off the model's in float32")
    distance = float(np.abs(given - outputs(model, seen)).max())
    print(
        f"{target}: float32; its probabilities on {what} differ by {rounding:.2g} at most from those of the model in "
        f"float32, and by {distance:.2g} at most from those of {path}"
    )


if __name__ == "__main__":
    command.run(main)
