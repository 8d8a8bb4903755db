import warnings
from pathlib import Path

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
