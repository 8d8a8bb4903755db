"""Saved models: Keras' own .keras format, made byte-stable."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

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
        return keras.models.load_model(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a model that Keras can open ({str(error).splitlines()[0]})") from None


def class_names(path: Path) -> list[str]:
    """The classes of a saved model, by label. Raises :class:`UserError` where its file does not name them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names: list[str] = json.loads(archive.read(_METADATA))["class_names"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: names no classes ({error}); allowed: a model of this project") from None
    return names


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
