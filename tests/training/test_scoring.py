import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.training.scoring import score
from tests.training.examples import REGULARISED, VAL, recipe, trained


def test_a_model_is_scored_as_keras_evaluates_it() -> None:
    model, _ = trained(REGULARISED, recipe(4, 1e-2))
    theirs = model.evaluate(VAL.images, VAL.labels, verbose=0, return_dict=True)
    predicted = model.predict(VAL.images, verbose=0).argmax(axis=1)
    ours = score(model, VAL)
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-6)
    assert ours["accuracy"] == pytest.approx(theirs["accuracy"])
    assert ours["accuracy"] == np.mean(predicted == VAL.labels)
    assert ours["f1"] == pytest.approx(f1_score(VAL.labels, predicted, average="weighted", zero_division=0))
    assert set(ours) == {"loss", "accuracy", "precision", "f1"}
