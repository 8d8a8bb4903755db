import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.common import models, network
from pipeline.common.backend import keras
from pipeline.common.command import UserError
from pipeline.common.data import Part
from pipeline.common.epoch import Position, Program, Resident, Score
from pipeline.common.metrics import loss_and_predictions
from pipeline.common.network import Architecture
from pipeline.common.randomness import Purpose, generator
from pipeline.common.state import Store
from pipeline.common.steps import LATEST, compiled, forget
from pipeline.common.stopping import Stopped, StopRequest
from pipeline.common.training import Epoch, History, Schedule, Training

RANDOM = np.random.default_rng(0)
REGULARISED = Architecture((16, 8), (1e-3, 1e-2), (0.0, 0.5))


def images(count: int) -> Part:
    """Images whose brightness tells their class, with noise: learnable, but not perfectly."""
    labels = RANDOM.integers(0, 10, count, np.uint8)
    noise = RANDOM.normal(0, 40, (count, 32, 32, 3))
    return Part(np.clip(labels[:, None, None, None] * 25 + noise, 0, 255).astype(np.uint8), labels)


TRAIN, VAL = images(330), images(110)


def trained(architecture: Architecture, schedule: Schedule, seed: int = 100) -> tuple[keras.Sequential, History]:
    model = network.build(architecture, 10)
    return model, fit(model, schedule, seed, lambda epoch: None)


def fit(model: keras.Sequential, schedule: Schedule, seed: int, on_epoch: Callable[[Epoch], None]) -> History:
    program = Program(model, Resident(TRAIN), Resident(VAL), 32)
    training = Training(model, program, schedule, seed, Store(None), StopRequest())
    history = training.run(on_epoch)
    training.keep()
    return history


def one_epoch(program: Program, seed: int, epoch: int, learning_rate: float) -> Score:
    *_, position = program.train(seed, epoch, learning_rate, Position())
    return program.score(position)


def test_every_weight_is_that_of_keras_fit_on_the_same_batches() -> None:
    """Adam, the L2 penalty and the loss, over 200 steps with a smaller batch at the end of each epoch."""
    architecture = Architecture((16, 8), (1e-3, 1e-2), (0.0, 0.0))
    ours, theirs = network.build(architecture, 10), network.build(architecture, 10)
    network.initialise(ours, 100)
    theirs.set_weights(ours.get_weights())
    theirs.optimizer.learning_rate = 1e-3
    program = Program(ours, Resident(TRAIN), Resident(VAL), 32)
    program.reset()
    for epoch in range(19):
        score = one_epoch(program, 100, epoch, 1e-3)
        order = generator(100, Purpose.ORDER, epoch).permutation(330)
        log = theirs.fit(TRAIN.images[order], TRAIN.labels[order], batch_size=32, shuffle=False, verbose=0).history
        assert score.loss == pytest.approx(log["loss"][0], rel=1e-4)
        assert score.accuracy == pytest.approx(log["accuracy"][0], abs=1 / 330)
    for mine, keras_own in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-4, atol=1e-6)
    loss, accuracy = theirs.evaluate(VAL.images, VAL.labels, verbose=0)
    assert program.validate().loss == pytest.approx(loss, rel=1e-4)
    assert program.validate().accuracy == pytest.approx(accuracy)


def test_every_epoch_has_an_order_of_its_own_that_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(generator(seed, Purpose.ORDER, epoch).permutation(100))

    assert len({order(100, 0), order(100, 1), order(101, 1)}) == 3
    assert order(100, 1) == order(100, 1)


def test_an_epoch_does_not_depend_on_how_the_process_came_to_it() -> None:
    """Dropout included: the state after epoch 1 and the number of epoch 2 are all that counts."""
    straight = network.build(REGULARISED, 10)
    program = Program(straight, Resident(TRAIN), Resident(VAL), 32)
    network.initialise(straight, 100)
    program.reset()
    one_epoch(program, 100, 5, 1e-3)
    expected = straight.get_weights()
    network.initialise(straight, 100)
    program.reset()
    one_epoch(program, 7, 3, 1e-3)
    network.initialise(straight, 100)
    program.reset()
    one_epoch(program, 100, 5, 1e-3)
    for first, second in zip(expected, straight.get_weights(), strict=True):
        assert np.array_equal(first, second)


def test_the_loss_is_added_up_batch_by_batch_whatever_grappler_would_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network.build(Architecture((64, 32, 16), (1e-3,) * 3, (0.0,) * 3), 10)

    def sums() -> list[float]:
        network.initialise(model, 100)
        program = Program(model, Resident(TRAIN), Resident(VAL), 8)
        return [position.loss_sum for position in program.train(100, 0, 1e-3, Position())]

    (together,) = sums()
    monkeypatch.setattr("pipeline.common.epoch.PIECE_PRODUCTS", 1)
    one_by_one = np.diff(sums(), prepend=0).astype(np.float32)
    assert len(one_by_one) == 42
    assert together == np.cumsum(one_by_one)[-1]


def test_dropout_differs_between_seeds_and_epochs() -> None:
    model = network.build(Architecture((64,), (0.0,), (0.5,)), 10)
    program = Program(model, Resident(TRAIN), Resident(VAL), 330)

    def loss(seed: int, epoch: int) -> float:
        network.initialise(model, 100)
        program.reset()
        return one_epoch(program, seed, epoch, 0.0).loss

    assert len({loss(100, 0), loss(100, 1), loss(101, 0)}) == 3
    assert loss(100, 0) == loss(100, 0)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        model, _ = trained(REGULARISED, Schedule(4, 1e-2))
        models.save(tmp_path / f"{name}.keras", model)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    other, _ = trained(REGULARISED, Schedule(4, 1e-2), seed=101)
    models.save(tmp_path / "c.keras", other)
    assert (tmp_path / "a.keras").read_bytes() != (tmp_path / "c.keras").read_bytes()


def test_a_saved_model_opens_compiled_without_a_warning_and_scores_the_same(tmp_path: Path) -> None:
    model, _ = trained(REGULARISED, Schedule(4, 1e-2))
    models.save(tmp_path / "a.keras", model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        opened = keras.models.load_model(tmp_path / "a.keras", safe_mode=True)
    assert opened.compiled
    assert opened.inputs[0].dtype == "uint8"
    figures = opened.evaluate(VAL.images, VAL.labels, verbose=0, return_dict=True)
    assert figures == pytest.approx(model.evaluate(VAL.images, VAL.labels, verbose=0, return_dict=True))
    loss, predicted = loss_and_predictions(opened, VAL)
    assert loss == pytest.approx(figures["loss"], rel=1e-6)
    assert np.mean(predicted == VAL.labels) == pytest.approx(figures["accuracy"])
    assert opened.predict(VAL.images, verbose=0).sum(axis=1) == pytest.approx(1)
    opened.fit(VAL.images, VAL.labels, verbose=0)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.keras"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"damaged\.keras"):
        models.load(path)


def test_early_stopping_keeps_the_weights_of_the_lowest_val_loss() -> None:
    model = network.build(Architecture((32,), (0.0,), (0.0,)), 10)
    weights: list[list[np.ndarray]] = []
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        weights.append(model.get_weights())
        epochs.append(epoch)

    history = fit(model, Schedule(60, 1e-2, patience=3), 100, on_epoch)
    losses = [epoch.val.loss for epoch in epochs]
    assert history.best_epoch == np.argmin(losses) + 1
    assert len(losses) == history.best_epoch + 3 < 60
    for kept, best in zip(model.get_weights(), weights[history.best_epoch - 1], strict=True):
        assert np.array_equal(kept, best)


def test_without_patience_all_epochs_are_trained_and_the_last_is_kept() -> None:
    model = network.build(Architecture((32,), (0.0,), (0.0,)), 10)
    last: list[np.ndarray] = []

    def on_epoch(epoch: Epoch) -> None:
        last[:] = model.get_weights()

    history = fit(model, Schedule(30, 1e-2), 100, on_epoch)
    assert len(history.epochs) == 30
    assert history.best_epoch < 30
    for kept, latest in zip(model.get_weights(), last, strict=True):
        assert np.array_equal(kept, latest)


def test_without_a_patience_for_it_the_rate_is_never_halved() -> None:
    epochs = [Epoch(number, Score(1.0, 0.5), Score(1.0, 0.5), 0.1) for number in range(1, 9)]
    assert Schedule(40, 1e-2).rate_after(epochs) == 1e-2
    assert Schedule(40, 1e-2, reduce_lr_patience=7).rate_after(epochs) == 5e-3


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_the_rate_is_halved_when_keras_would_halve_it(patience: int) -> None:
    model = network.build(Architecture(), 10)
    model.optimizer.learning_rate = 1e-2
    theirs = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=patience, min_delta=0)
    theirs.set_model(model)
    theirs.on_train_begin()
    ours, epochs = Schedule(40, 1e-2, reduce_lr_patience=patience), []
    rates = set()
    for number, loss in enumerate(RANDOM.normal(2 - np.arange(40) / 40, 0.3), start=1):
        theirs.on_epoch_end(number, {"val_loss": loss})
        epochs.append(Epoch(number, Score(1.0, 0.5), Score(loss, 0.5), 0.1))
        rates.add(ours.rate_after(epochs))
        assert ours.rate_after(epochs) == pytest.approx(float(model.optimizer.learning_rate), rel=1e-6)
    assert len(rates) > 2


def test_divergence_is_one_line_that_names_the_learning_rate() -> None:
    with pytest.raises(UserError, match=r"seed 100: .* learning_rate is 1e\+30") as caught:
        trained(REGULARISED, Schedule(5, 1e30))
    assert "\n" not in str(caught.value)


def test_what_is_compiled_stays_while_it_is_wanted_or_among_the_latest() -> None:
    def program(units: int) -> Program:
        return Program(network.build(Architecture((units,), (0.0,), (0.0,)), 10), train, val, 32)

    train, val = Resident(TRAIN), Resident(VAL)
    wanted, *others = (program(units).steps for units in range(1, LATEST + 4))
    functions = {entry: compiled(entry) for entry in (wanted, *others)}
    assert compiled(program(1).steps) is functions[wanted]
    for entry in others:
        compiled(entry)
    forget(all_but=[wanted])
    kept = [entry for entry in (wanted, *others) if compiled(entry) is functions[entry]]
    assert kept == [wanted, *others[-LATEST:]]


def test_parameters_are_counted_as_the_study_counts_them() -> None:
    assert network.build(Architecture(), 10).count_params() == 30_730


class AfterPieces(StopRequest):
    """A signal that arrives after so many pieces."""

    def __init__(self, pieces: int) -> None:
        self._left = pieces

    @property
    def number(self) -> int | None:  # type: ignore[override]
        self._left -= 1
        return signal.SIGTERM if self._left < 0 else None


def test_a_run_stopped_within_an_epoch_ends_equal_to_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.common.epoch.PIECE_PRODUCTS", 1)
    schedule = Schedule(4, 1e-2, patience=2)
    straight, undisturbed = trained(REGULARISED, schedule)
    store = Store(tmp_path)
    for _ in range(10):
        model = network.build(REGULARISED, 10)
        program = Program(model, Resident(TRAIN), Resident(VAL), 32)
        with pytest.raises(Stopped, match=r"seed 100, epoch \d of 4; the state is saved"):
            Training(model, program, schedule, 100, store, AfterPieces(3)).run(lambda epoch: None)
    training = Training(model, program, schedule, 100, store, StopRequest())
    history = training.run(lambda epoch: None)
    training.keep()
    assert [(epoch.train, epoch.val) for epoch in history.epochs] == [
        (epoch.train, epoch.val) for epoch in undisturbed.epochs
    ]
    for resumed, own in zip(model.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(resumed, own)


def test_a_seed_that_diverges_leaves_the_finished_ones(tmp_path: Path) -> None:
    store = Store(tmp_path)
    model = network.build(REGULARISED, 10)
    program = Program(model, Resident(TRAIN), Resident(VAL), 32)
    finished = Training(model, program, Schedule(1, 1e-2), 100, store, StopRequest())
    finished.run(lambda epoch: None)
    finished.keep()
    with pytest.raises(UserError, match="seed 101: the loss is not finite"):
        Training(model, program, Schedule(30, 1e30), 101, store, StopRequest()).run(lambda epoch: None)
    assert [path.name for path in tmp_path.iterdir()] == ["seed-100.state"]
