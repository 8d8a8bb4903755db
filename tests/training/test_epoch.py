import numpy as np
import numpy.typing as npt
import pytest

from pipeline.networks.initial_weights import initialise
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.runs import DenseNetwork
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, LossAndAccuracy, Progress
from tests.training.examples import REGULARISED, TRAIN, VAL, build, compiled_epoch, recipe


def one_epoch(epoch: CompiledEpoch, seed: int, number: int) -> LossAndAccuracy:
    *_, progress = epoch.train(seed, [1.0] * number, Progress())
    return epoch.mean(progress)


def test_every_weight_is_that_of_keras_fit_on_the_same_batches() -> None:
    """Adam, the L2 penalty and the loss, over 200 steps with a smaller batch at the end of each epoch."""
    network = DenseNetwork((16, 8), (1e-3, 1e-2), (0.0, 0.0))
    ours, theirs = build(network), build(network)
    initialise(theirs, 100)
    theirs.optimizer.learning_rate = 1e-3
    epoch = compiled_epoch(ours, recipe(19, 1e-3))
    epoch.begin(100)
    for number in range(19):
        mean = one_epoch(epoch, 100, number)
        order = generator(100, Purpose.ORDER, number).permutation(330)
        log = theirs.fit(TRAIN.images[order], TRAIN.labels[order], batch_size=32, shuffle=False, verbose=0).history
        assert mean.loss == pytest.approx(log["loss"][0], rel=1e-4)
        assert mean.accuracy == pytest.approx(log["accuracy"][0], abs=1 / 330)
    for mine, keras_own in zip(epoch.weights, theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-4, atol=1e-6)
    loss, accuracy = theirs.evaluate(VAL.images, VAL.labels, verbose=0)
    assert epoch.validate().loss == pytest.approx(loss, rel=1e-4)
    assert epoch.validate().accuracy == pytest.approx(accuracy)


def test_an_epoch_does_not_depend_on_how_the_process_came_to_it() -> None:
    """Dropout included: the state after an epoch and the number of the next are all that counts."""
    epoch = compiled_epoch(build(REGULARISED), recipe(9, 1e-3))

    def after(*before: tuple[int, int]) -> list[npt.NDArray[np.float32]]:
        for seed, number in (*before, (100, 5)):
            epoch.begin(100)
            one_epoch(epoch, seed, number)
        return epoch.weights

    for first, second in zip(after(), after((7, 3), (100, 2)), strict=True):
        assert np.array_equal(first, second)


def test_the_loss_of_a_batch_does_not_depend_on_where_the_epoch_is_cut() -> None:
    model, own = build(DenseNetwork((64, 32, 16), (1e-3,) * 3, (0.0,) * 3)), recipe(1, 1e-3, batch_size=8)

    def losses(**options: float) -> list[Progress]:
        epoch = compiled_epoch(model, own, **options)
        epoch.begin(100)
        return list(epoch.train(100, [], Progress()))

    (together,) = losses()
    *_, last = one_by_one = losses(piece_products=1)
    assert len(one_by_one) == len(together.losses) == 42
    assert last == together


def test_dropout_differs_between_seeds_and_epochs() -> None:
    epoch = compiled_epoch(build(DenseNetwork((64,), (0.0,), (0.5,))), recipe(9, 1e-9, batch_size=330))

    def loss(seed: int, number: int) -> float:
        epoch.begin(100)
        return one_epoch(epoch, seed, number).loss

    assert len({loss(100, 0), loss(100, 1), loss(101, 0)}) == 3
    assert loss(100, 0) == loss(100, 0)


def test_every_seed_has_an_order_of_its_own() -> None:
    epoch = compiled_epoch(build(DenseNetwork((16,), (0.0,), (0.0,))), recipe(1, 1e-9))

    def losses(seed: int) -> tuple[float, ...]:
        epoch.begin(100)
        (progress,) = epoch.train(seed, [], Progress())
        return progress.losses

    assert losses(100) != losses(101)
    assert sum(losses(100)[:-1]) == pytest.approx(sum(losses(101)[:-1]), rel=0.05)


def test_dropout_differs_between_seeds_whatever_the_order() -> None:
    """On copies of one image the order changes nothing."""
    copies = DeviceDataset(TRAIN.rows(np.zeros(64, np.intp)))
    own = recipe(1, 1e-9, batch_size=64)
    epoch = CompiledEpoch(build(DenseNetwork((64,), (0.0,), (0.5,))), copies, copies, own)

    def loss(seed: int) -> float:
        epoch.begin(100)
        return one_epoch(epoch, seed, 0).loss

    assert loss(100) == loss(100) != loss(101)
