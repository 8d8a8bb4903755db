import numpy as np
import pytest

from pipeline.networks import dense
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.runs import DenseNetwork
from pipeline.training.epoch import CompiledEpoch, LossAndAccuracy, Progress
from tests.training.examples import REGULARISED, TRAIN, VAL, build, compiled_epoch


def one_epoch(epoch: CompiledEpoch, seed: int, number: int, learning_rate: float) -> LossAndAccuracy:
    *_, progress = epoch.train(seed, number, learning_rate, Progress())
    return epoch.mean(progress)


def test_every_weight_is_that_of_keras_fit_on_the_same_batches() -> None:
    """Adam, the L2 penalty and the loss, over 200 steps with a smaller batch at the end of each epoch."""
    network = DenseNetwork((16, 8), (1e-3, 1e-2), (0.0, 0.0))
    ours, theirs = build(network), build(network)
    dense.initialise(ours, 100)
    theirs.set_weights(ours.get_weights())
    theirs.optimizer.learning_rate = 1e-3
    epoch = compiled_epoch(ours)
    epoch.reset()
    for number in range(19):
        mean = one_epoch(epoch, 100, number, 1e-3)
        order = generator(100, Purpose.ORDER, number).permutation(330)
        log = theirs.fit(TRAIN.images[order], TRAIN.labels[order], batch_size=32, shuffle=False, verbose=0).history
        assert mean.loss == pytest.approx(log["loss"][0], rel=1e-4)
        assert mean.accuracy == pytest.approx(log["accuracy"][0], abs=1 / 330)
    for mine, keras_own in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-4, atol=1e-6)
    loss, accuracy = theirs.evaluate(VAL.images, VAL.labels, verbose=0)
    assert epoch.validate().loss == pytest.approx(loss, rel=1e-4)
    assert epoch.validate().accuracy == pytest.approx(accuracy)


def test_an_epoch_does_not_depend_on_how_the_process_came_to_it() -> None:
    """Dropout included: the state after epoch 1 and the number of epoch 2 are all that counts."""
    straight = build(REGULARISED)
    epoch = compiled_epoch(straight)
    dense.initialise(straight, 100)
    epoch.reset()
    one_epoch(epoch, 100, 5, 1e-3)
    expected = straight.get_weights()
    dense.initialise(straight, 100)
    epoch.reset()
    one_epoch(epoch, 7, 3, 1e-3)
    dense.initialise(straight, 100)
    epoch.reset()
    one_epoch(epoch, 100, 5, 1e-3)
    for first, second in zip(expected, straight.get_weights(), strict=True):
        assert np.array_equal(first, second)


def test_the_loss_is_added_up_batch_by_batch_whatever_grappler_would_merge() -> None:
    model = build(DenseNetwork((64, 32, 16), (1e-3,) * 3, (0.0,) * 3))

    def sums(**options: float) -> list[float]:
        dense.initialise(model, 100)
        epoch = compiled_epoch(model, 8, **options)
        return [progress.loss_sum for progress in epoch.train(100, 0, 1e-3, Progress())]

    (together,) = sums()
    one_by_one = np.diff(sums(piece_products=1), prepend=0).astype(np.float32)
    assert len(one_by_one) == 42
    assert together == np.cumsum(one_by_one)[-1]


def test_dropout_differs_between_seeds_and_epochs() -> None:
    model = build(DenseNetwork((64,), (0.0,), (0.5,)))
    epoch = compiled_epoch(model, 330)

    def loss(seed: int, number: int) -> float:
        dense.initialise(model, 100)
        epoch.reset()
        return one_epoch(epoch, seed, number, 0.0).loss

    assert len({loss(100, 0), loss(100, 1), loss(101, 0)}) == 3
    assert loss(100, 0) == loss(100, 0)
