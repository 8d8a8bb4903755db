import numpy as np
import pytest

from pipeline.networks.backend import keras
from pipeline.params.runs import DenseNetwork
from pipeline.training.schedules import halved_on_plateau, rates
from tests.training.examples import build, recipe


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


def whole_training(schedule: str, warm_up: float, final_rate: float) -> np.ndarray:
    own = recipe(10, 0.4, schedule=schedule, warm_up=warm_up, final_rate=final_rate)
    return np.concatenate([rates(own, 20, [1.0] * epoch) for epoch in range(10)])


@pytest.mark.parametrize(("warm_up", "final_rate"), [(0.0, 0.0), (0.25, 0.0), (0.25, 0.07)])
def test_a_rate_falls_by_cosine_as_that_of_keras(warm_up: float, final_rate: float) -> None:
    rising = int(200 * warm_up)
    options = {"warmup_target": 0.4, "warmup_steps": rising} if rising else {}
    theirs = keras.optimizers.schedules.CosineDecay(0.0 if rising else 0.4, 200 - rising, final_rate, **options)
    assert whole_training("cosine", warm_up, final_rate) == pytest.approx(
        [float(theirs(step)) for step in range(200)], abs=1e-6
    )


def test_a_rate_falls_linearly_as_that_of_keras() -> None:
    ours = whole_training("linear", 0.25, 0.07)
    theirs = keras.optimizers.schedules.PolynomialDecay(0.4, 150, 0.4 * 0.07)
    assert ours[50:] == pytest.approx([float(theirs(step)) for step in range(150)], abs=1e-6)
    assert ours[:51] == pytest.approx(np.linspace(0, 0.4, 51), abs=1e-6)
    assert ours.max() == pytest.approx(0.4)


def test_a_constant_rate_is_the_same_at_every_step_of_an_epoch() -> None:
    own = recipe(10, 0.4, reduce_lr_patience=2)
    assert rates(own, 5, [1.0, 1.0, 1.0]).tolist() == pytest.approx([0.2] * 5)
    assert rates(own, 5, [1.0, 1.0]).tolist() == pytest.approx([0.4] * 5)
