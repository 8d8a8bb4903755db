import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.files.errors import UserError
from pipeline.networks import saving
from pipeline.networks.backend import keras
from pipeline.networks.initial_weights import initialise
from tests.training.examples import REGULARISED, VAL, build, recipe, trained

# In no order but their own.
CLASSES = list("jabcdefghi")


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 100), ("b", 100), ("c", 101)):
        model = build(REGULARISED)
        initialise(model, seed)
        saving.save(tmp_path / f"{name}.keras", model, CLASSES)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert (tmp_path / "a.keras").read_bytes() != (tmp_path / "c.keras").read_bytes()


def test_a_saved_model_opens_compiled_without_a_warning_and_scores_the_same(tmp_path: Path) -> None:
    model, _ = trained(REGULARISED, recipe(4, 1e-2))
    saving.save(tmp_path / "a.keras", model, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        opened = keras.models.load_model(tmp_path / "a.keras", safe_mode=True)
    assert saving.class_names(tmp_path / "a.keras") == CLASSES
    assert opened.compiled
    assert opened.inputs[0].dtype == "uint8"
    scores = opened.evaluate(VAL.images, VAL.labels, verbose=0, return_dict=True)
    assert scores == pytest.approx(model.evaluate(VAL.images, VAL.labels, verbose=0, return_dict=True))
    assert opened.predict(VAL.images, verbose=0).sum(axis=1) == pytest.approx(1)
    opened.fit(VAL.images, VAL.labels, verbose=0)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.keras"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"damaged\.keras"):
        saving.load(path)


def test_a_model_that_names_no_classes_is_refused(tmp_path: Path) -> None:
    model = build(REGULARISED)
    model.save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"other\.keras: names no classes"):
        saving.class_names(tmp_path / "other.keras")


SHAPE = (32, 32, 3)
LAYERS = keras.layers


def flat(images: Any, *layers: Any, units: int = 3) -> Any:
    """The network that this makes of its input."""
    for layer in (LAYERS.Rescaling(1 / 255), *layers, LAYERS.Flatten()):
        images = layer(images)
    return LAYERS.Dense(units, activation="softmax")(images)


def write(path: Path, model: Any, names: object = ("a", "b", "c"), **members: bytes) -> Path:
    """Save ``model`` as Keras does, with the class ``names``; ``members`` take the place of what is in the file."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(content["metadata.json"]) | {"class_names": names}
    content |= {"metadata.json": json.dumps(metadata).encode()}
    content |= {name.replace("_", "."): member for name, member in members.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in content.items():
            archive.writestr(name, member)
    return path


def image(shape: tuple[int, ...] = SHAPE, dtype: str = "uint8") -> Any:
    return keras.Input(shape, dtype=dtype)


def functional(make: Callable[[Any], Any], **of_input: Any) -> Any:
    return keras.Model(taken := image(**of_input), make(taken))


def shifted_logits() -> Any:
    model = functional(lambda taken: LAYERS.Dense(3)(LAYERS.Flatten()(LAYERS.Rescaling(1 / 255)(taken))))
    model.layers[-1].set_weights([np.zeros((3072, 3), np.float32), np.ones(3, np.float32)])
    return model


def not_finite() -> Any:
    model = functional(flat)
    model.layers[-1].set_weights([np.full((3072, 3), np.nan, np.float32), np.zeros(3, np.float32)])
    return model


def test_a_classifier_opens_with_its_classes(tmp_path: Path) -> None:
    own = build(REGULARISED)
    saving.save(tmp_path / "own.keras", own, CLASSES)
    assert saving.load_classifier(tmp_path / "own.keras", SHAPE)[1] == CLASSES
    assert saving.load_classifier(write(tmp_path / "other.keras", functional(flat)), SHAPE)[1] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: functional(flat, shape=(28, 28, 1)), r"takes uint8 \(None, 28, 28, 1\) and gives"),
        (lambda: functional(flat, dtype="float32"), r"takes float32 .*; allowed with its 3 classes: takes uint8"),
        (lambda: functional(lambda taken: flat(taken, units=4)), r"gives float32 \(None, 4\); allowed"),
        (lambda: functional(lambda taken: [flat(taken), flat(taken)]), r"gives float32 \(None, 3\) and float32"),
        (lambda: functional(LAYERS.Rescaling(1 / 255)), r"gives float32 \(None, 32, 32, 3\)"),
        (lambda: keras.Sequential([LAYERS.Dense(3)]), "takes what is not declared"),
        (lambda: functional(lambda taken: flat(taken, LAYERS.Lambda(lambda x: x))), "safe mode .*Lambda"),
        (shifted_logits, "add up to 3; allowed: probabilities"),
        (not_finite, "add up to nan; allowed: probabilities"),
    ],
)
def test_a_model_that_is_no_classifier_of_such_images_is_one_line(
    make: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "odd.keras", make())
    with pytest.raises(UserError, match=rf"^[^\n]*odd\.keras: [^\n]*{message}[^\n]*$"):
        saving.load_classifier(tmp_path / "odd.keras", SHAPE)


@pytest.mark.parametrize("names", [5, [1, 2, 3], None, {"a": 0}])
def test_class_names_that_are_none_are_refused(names: object, tmp_path: Path) -> None:
    write(tmp_path / "odd.keras", functional(flat), names)
    with pytest.raises(UserError, match=r"odd\.keras: names no classes \(.*\); allowed: a model of this project"):
        saving.load_classifier(tmp_path / "odd.keras", SHAPE)


def test_what_is_no_keras_file_is_one_line_that_says_what_it_is(tmp_path: Path) -> None:
    good = write(tmp_path / "good.keras", functional(flat))
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "text.keras").write_text("text\n" * 9)
    (tmp_path / "short.keras").write_bytes(good.read_bytes()[:-100])
    functional(flat).save(tmp_path / "old.h5")
    shutil.copy(tmp_path / "old.h5", tmp_path / "h5.keras")
    other = write(tmp_path / "other.keras", functional(lambda taken: flat(taken, units=4)))
    with zipfile.ZipFile(other) as archive:
        weights, config = archive.read("model.weights.h5"), archive.read("config.json")
    write(tmp_path / "weights.keras", functional(flat), model_weights_h5=weights)
    write(tmp_path / "config.keras", functional(flat), config_json=b"[1]")
    write(tmp_path / "layer.keras", functional(flat), config_json=config.replace(b'"Flatten"', b'"Foreign"'))
    write(tmp_path / "metadata.keras", functional(flat), metadata_json=b"[1]")
    reasons = {
        "folder": "Is a directory",
        **dict.fromkeys(("text", "short", "h5"), "File is not a zip file"),
        "weights": "no matching group|could not be loaded",
        "config": "KerasSaveable",
        "layer": "Could not (locate|deserialize) [^\n]*Foreign",
        "metadata": "names no classes",
        "gone": "No such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(UserError, match=rf"^[^\n]*{name}\.keras: [^\n]*({reason})[^\n]*$"):
            saving.load_classifier(tmp_path / f"{name}.keras", SHAPE)
