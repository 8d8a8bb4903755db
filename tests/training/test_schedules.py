import numpy as np
import pytest

from pipeline.networks.backend import keras
from pipeline.params.runs import DenseNetwork
from pipeline.training.schedules import halved_on_plateau
from tests.training.examples import build


def test_without_a_patience_for_it_the_rate_is_never_halved() -> None:
    assert halved_on_plateau(1e-2, [1.0] * 8, 0) == 1e-2
    assert halved_on_plateau(1e-2, [1.0] * 8, 7) == 5e-3


def test_before_the_first_epoch_the_rate_is_the_whole() -> None:
    assert halved_on_plateau(1e-2, [], 1) == 1e-2


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_the_rate_is_halved_when_keras_would_halve_it(patience: int) -> None:
    model = build(DenseNetwork())
    model.optimizer.learning_rate = 1e-2
    theirs = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=patience, min_delta=0)
    theirs.set_model(model)
    theirs.on_train_begin()
    losses: list[float] = []
    rates = set()
    for number, loss in enumerate(np.random.default_rng(0).normal(2 - np.arange(40) / 40, 0.3), start=1):
        theirs.on_epoch_end(number, {"val_loss": loss})
        losses.append(loss)
        rate = halved_on_plateau(1e-2, losses, patience)
        rates.add(rate)
        assert rate == pytest.approx(float(model.optimizer.learning_rate), rel=1e-6)
    assert len(rates) > 2
