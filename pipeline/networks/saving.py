"""Saved models: Keras' own .keras format, made byte-stable."""

import io
import json
import math
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.files.artefacts import atomic_write
from pipeline.files.errors import UserError
from pipeline.networks.backend import keras

_WEIGHTS, _METADATA = "model.weights.h5", "metadata.json"


def save(path: Path, model: keras.Model, class_names: Sequence[str]) -> None:
    """Write a compiled ``model`` so that the same weights and configuration give the same bytes.

    It opens compiled, with an optimiser that has seen no batch yet: the moments that training gathered are not kept.
    ``class_names`` stand in the file's metadata.json, beside the version of Keras.
    """
    with atomic_write(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        metadata = json.loads(members[_METADATA])
        del metadata["date_saved"]
        members[_METADATA] = json.dumps(metadata | {"class_names": list(class_names)}).encode()
        config = json.loads(members["config.json"])
        members["config.json"] = json.dumps(_renumbered(config, {})).encode()
        members[_WEIGHTS] = _with_fresh_optimiser(members[_WEIGHTS], model)
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(members):
                archive.writestr(zipfile.ZipInfo(name), members[name])  # dated 1980, like every ZipInfo without a date


def load(path: Path) -> keras.Model:
    """Open a saved model in Keras' safe mode. Raises :class:`UserError` where there is none, or a damaged one."""
    try:
        # Keras says of whatever it cannot open as an archive that it was not found.
        zipfile.ZipFile(path).close()
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*freshly-initialized weights")
            return keras.models.load_model(path)
    except Exception as error:  # noqa: BLE001 -- Keras raises whatever it stumbles over in a foreign file
        reason = str(error).rpartition("Exception encountered: ")[2].strip()
        first = re.split(r"(?<=\.)\s|\n", reason)[0] or type(error).__name__
        raise UserError(f"{path}: not a model that Keras can open in safe mode ({first})") from None


def class_names(path: Path) -> list[str]:
    """The classes of a saved model, by label. Raises :class:`UserError` where its file does not name them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names: list[str] = json.loads(archive.read(_METADATA))["class_names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"class_names are {names}")
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: names no classes ({error}); allowed: a model of this project") from None
    return names


def load_classifier(path: Path, image_shape: tuple[int, int, int]) -> tuple[keras.Model, list[str]]:
    """Open a saved model that takes uint8 images (n, *image_shape), and gives a probability for each of its classes.

    Returns it with the class names. Raises :class:`UserError` as :func:`load` and :func:`class_names` do, and for a
    model that takes or gives something else.
    """
    model, names = load(path), class_names(path)
    # Answers by name are no tensor, though Keras lists them like one.
    given_by_name = isinstance(getattr(model, "output", None), dict)
    taken, given = (_described(getattr(model, side, None)) for side in ("inputs", "outputs"))
    given = "a mapping" if given_by_name else given
    allowed = f"uint8 {(None, *image_shape)}", f"float32 {(None, len(names))}"
    if (taken, given) != allowed:
        raise UserError(
            f"{path}: takes {taken} and gives {given}; "
            f"allowed with its {len(names)} classes: takes {allowed[0]} and gives {allowed[1]}"
        )
    total = float(np.sum(model(np.zeros((1, *image_shape), np.uint8), training=False)))
    if not math.isclose(total, 1, abs_tol=1e-3):
        raise UserError(
            f"{path}: its values for a black image add up to {total:g}; allowed: probabilities, that is to 1"
        )
    return model, names


def _described(tensors: Sequence[Any] | None) -> str:
    """Type and shape of each of a model's ``tensors``; None are those of a model that declares none."""
    return " and ".join(f"{tensor.dtype} {tuple(tensor.shape)}" for tensor in tensors or ()) or "what is not declared"


def _renumbered(config: Any, seen: dict[int, int]) -> Any:
    """Replace the memory addresses that Keras writes as ``shared_object_id`` by 0, 1, 2... in order of appearance."""
    match config:
        case dict():
            return {
                key: seen.setdefault(value, len(seen)) if key == "shared_object_id" else _renumbered(value, seen)
                for key, value in config.items()
            }
        case list():
            return [_renumbered(value, seen) for value in config]
    return config


def _with_fresh_optimiser(weights: bytes, model: keras.Model) -> bytes:
    """Add the optimiser's slots, all zero, to the HDF5 file ``weights``.

    Keras warns whoever loads a compiled model that it misses them. HDF5 stores no bytes for a chunked data set that was
    never written, so they take no room.
    """
    optimiser = type(model.optimizer).from_config(model.optimizer.get_config())
    optimiser.build(model.trainable_variables)
    content = io.BytesIO(weights)
    with h5py.File(content, "r+") as file:
        group = file["optimizer/vars"]
        for index, variable in enumerate(optimiser.variables):
            if str(index) not in group:
                group.create_dataset(str(index), tuple(variable.shape), "float32", chunks=True)
    return content.getvalue()
