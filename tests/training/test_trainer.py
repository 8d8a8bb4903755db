import signal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.files.errors import UserError
from pipeline.networks import saving
from pipeline.params.runs import DenseNetwork
from pipeline.runtime.checkpoints import Checkpoints
from pipeline.runtime.signals import Stopped, StopRequest
from pipeline.training.trainer import DivergedError, EpochResult, Trainer
from tests.training.examples import PLAIN, REGULARISED, build, compiled_epoch, recipe, trained


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 100), ("b", 100), ("c", 101)):
        model, _ = trained(REGULARISED, recipe(4, 1e-2), seed)
        saving.save(tmp_path / f"{name}.keras", model, list("abcdefghij"))
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert (tmp_path / "a.keras").read_bytes() != (tmp_path / "c.keras").read_bytes()


def test_early_stopping_keeps_the_weights_of_the_lowest_val_loss() -> None:
    stopping = recipe(60, 1e-2, patience=3)
    compiled = compiled_epoch(build(PLAIN), stopping)
    weights: list[list[npt.NDArray[Any]]] = []
    epochs: list[EpochResult] = []

    def on_epoch(epoch: EpochResult) -> None:
        weights.append(compiled.weights)
        epochs.append(epoch)

    trainer = Trainer(compiled, stopping, 100, Checkpoints(None), StopRequest())
    history = trainer.run(on_epoch)
    losses = [epoch.val.loss for epoch in epochs]
    assert history.best_epoch == history.kept_epoch(stopping) == np.argmin(losses) + 1
    assert len(losses) == history.best_epoch + 3 < 60
    for kept, best in zip(trainer.kept_weights, weights[history.best_epoch - 1], strict=True):
        assert np.array_equal(kept, best)


def test_without_patience_all_epochs_are_trained_and_the_last_is_kept() -> None:
    patient = recipe(30, 1e-2)
    compiled = compiled_epoch(build(PLAIN), patient)
    last: list[npt.NDArray[Any]] = []

    def on_epoch(epoch: EpochResult) -> None:
        last[:] = compiled.weights

    trainer = Trainer(compiled, patient, 100, Checkpoints(None), StopRequest())
    history = trainer.run(on_epoch)
    assert len(history.epochs) == history.kept_epoch(patient) == 30
    assert history.best_epoch < 30
    for kept, latest in zip(trainer.kept_weights, last, strict=True):
        assert np.array_equal(kept, latest)


def test_divergence_is_one_line_that_names_the_learning_rate() -> None:
    with pytest.raises(UserError, match=r"seed 100: .* learning_rate is 1e\+30") as caught:
        trained(REGULARISED, recipe(5, 1e30))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "parts", "said"),
    [
        # The penalty of the initial weights alone is infinite.
        (
            DenseNetwork((8,), (3e38,), (0.0,)),
            {},
            "it was not finite before the first step, whatever the learning rate; l2 is 3e+38, try a smaller one",
        ),
        (
            DenseNetwork((8,), (1e6,), (0.0,)),
            {"optimiser": "sgd"},
            "learning_rate is 0.01 and l2 is 1e+06, try smaller ones",
        ),
        (
            PLAIN,
            {"optimiser": "sgd", "bias_rate_factor": 1e38},
            "learning_rate is 0.01 and bias_rate_factor is 1e+38, try smaller ones",
        ),
    ],
    ids=["penalty", "penalty and rate", "biases"],
)
def test_a_smaller_rate_is_advised_only_where_it_can_help(
    network: DenseNetwork, parts: dict[str, Any], said: str
) -> None:
    with pytest.raises(DivergedError) as caught:
        trained(network, recipe(30, 1e-2, **parts))
    assert str(caught.value).endswith(said)
    assert "\n" not in str(caught.value)


class AfterPieces(StopRequest):
    """A signal that arrives after so many pieces."""

    def __init__(self, pieces: int) -> None:
        self._left = pieces

    @property
    def number(self) -> int | None:  # type: ignore[override]
        self._left -= 1
        return signal.SIGTERM if self._left < 0 else None


def test_a_run_stopped_within_an_epoch_ends_equal_to_one_that_was_not(tmp_path: Path) -> None:
    # As many epochs as stopping early takes at least.
    stopping = recipe(4, 1e-2, patience=3)
    straight, undisturbed = trained(REGULARISED, stopping, piece_products=1)
    checkpoints = Checkpoints(tmp_path)
    for _ in range(10):
        epoch = compiled_epoch(build(REGULARISED), stopping, piece_products=1)
        with pytest.raises(Stopped, match=r"seed 100, epoch \d of 4; the state is saved"):
            Trainer(epoch, stopping, 100, checkpoints, AfterPieces(3)).run(lambda epoch: None)
    trainer = Trainer(epoch, stopping, 100, checkpoints, StopRequest())
    history = trainer.run(lambda epoch: None)
    assert [(epoch.train, epoch.val) for epoch in history.epochs] == [
        (epoch.train, epoch.val) for epoch in undisturbed.epochs
    ]
    for resumed, own in zip(trainer.kept_weights, straight.get_weights(), strict=True):
        np.testing.assert_array_equal(resumed, own)


@pytest.mark.parametrize(("seconds", "saved"), [(0.0, 3), (3600.0, 0)])
def test_a_checkpoint_is_written_when_a_kill_would_cost_too_much(tmp_path: Path, seconds: float, saved: int) -> None:
    """The last epoch that was trained is the first that a kill would lose."""
    short = recipe(5, 1e-2)
    epoch, checkpoints = compiled_epoch(build(REGULARISED), short), Checkpoints(tmp_path)

    class KilledError(Exception):
        """Stands for a kill in the third epoch's call."""

    def on_epoch(result: EpochResult) -> None:
        if result.number == 3:
            raise KilledError

    with pytest.raises(KilledError):
        Trainer(epoch, short, 100, checkpoints, StopRequest(), save_seconds=seconds).run(on_epoch)
    found = checkpoints.load("seed-100")
    assert (0 if found is None else len(found[1]["epochs"])) == saved


def test_a_seed_that_was_trained_to_the_end_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after the last epoch, before the model is written."""
    stopping, checkpoints = recipe(60, 1e-2, patience=2), Checkpoints(tmp_path)
    epoch = compiled_epoch(build(PLAIN), stopping)
    first = Trainer(epoch, stopping, 100, checkpoints, StopRequest(), save_seconds=0.0)
    history = first.run(lambda epoch: None)
    kept = first.kept_weights
    epoch.begin(7)
    monkeypatch.setattr(epoch, "train", None)
    second = Trainer(epoch, stopping, 100, checkpoints, StopRequest())
    assert second.run(lambda epoch: None).epochs == history.epochs
    assert history.best_epoch < len(history.epochs) < 60
    for resumed, own in zip(second.kept_weights, kept, strict=True):
        np.testing.assert_array_equal(resumed, own)


def test_a_seed_that_diverges_leaves_no_checkpoint(tmp_path: Path) -> None:
    diverging, checkpoints = recipe(30, 1e30), Checkpoints(tmp_path)
    epoch = compiled_epoch(build(REGULARISED), diverging, piece_products=1)
    with pytest.raises(Stopped):
        Trainer(epoch, diverging, 101, checkpoints, AfterPieces(0)).run(lambda epoch: None)
    assert [path.name for path in tmp_path.iterdir()] == ["seed-101.checkpoint"]
    with pytest.raises(UserError, match="seed 101: the loss is not finite"):
        Trainer(epoch, diverging, 101, checkpoints, StopRequest()).run(lambda epoch: None)
    assert list(tmp_path.iterdir()) == []
