"""One seed of one run as a stage trains it: what it writes, and that it writes nothing where it may not."""

import resource
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from pipeline.evaluation.classification import scores
from pipeline.files import dataset
from pipeline.files.artefacts import read_json, write_json
from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.networks import looks, saving
from pipeline.networks.looks import averaged
from pipeline.params.beyond import Looks
from pipeline.params.recipe import Precision, Recipe
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.params.training import TrainParams
from pipeline.runtime import checkpoints
from pipeline.training.run import train_model
from pipeline.training.trainer import EpochResult, History
from tests.training.examples import TRAIN, VAL, recipe

RUN = Run("scale", "small")
OTHER = {"mirrored": "mirrored-shifted", "mirrored-shifted": "mirrored"}
NETWORK = DenseNetwork((32,), (1e-3,), (0.2,))
STOPPING = recipe(60, 3e-4, patience=3)
SHARED = TrainParams.model_validate(
    {"seeds": [100, 101], "epochs": 60, "batch_size": 32, "precision": "float32"}
    | {"device": "cpu", "strategy": "one_device", "threads": 1}
)


class Observer:
    """Remembers what it is told."""

    def __init__(self, *title: object) -> None:
        self.title = title
        self.epochs: list[EpochResult] = []
        self.val: Mapping[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def on_epoch(self, epoch: EpochResult) -> None:
        self.epochs.append(epoch)

    def on_end(self, history: History, kept_epoch: int, val: Mapping[str, float]) -> None:
        self.val = val


@pytest.fixture(autouse=True)
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The class names in the current folder, and beside it where checkpoints lie."""
    monkeypatch.setenv(checkpoints.VARIABLE, str(tmp_path / "states"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    write_json(dataset.CLASS_NAMES, list("abcdefghij"))
    return tmp_path / "states" / "cifar10-dense-study"


def may_write() -> None:
    pass


def train(
    seed: int = 100,
    before_writing: Callable[[], None] = may_write,
    network: DenseNetwork = NETWORK,
    recipe: Recipe = STOPPING,
) -> Observer:
    observers: list[Observer] = []

    def observe(*title: object) -> Observer:
        observers.append(Observer(*title))
        return observers[-1]

    train_model(RUN, seed, network, recipe, TRAIN, VAL, SHARED, observe, before_writing, save_seconds=0.0)
    return observers[-1]


def test_the_metrics_are_those_of_the_model_that_was_saved(states: Path) -> None:
    observer = train()
    metrics = read_json(RUN.log(100) / "metrics.json")
    assert observer.title == ("scale/small, seed 100", 60, 330)
    losses = [epoch.val.loss for epoch in observer.epochs]
    assert metrics["epochs"] == len(losses) == metrics["best_epoch"] + 3 < 60
    assert metrics["best_epoch"] == np.argmin(losses) + 1
    assert metrics["val"]["loss"] == pytest.approx(min(losses), rel=1e-5)
    assert losses[-1] > 1.001 * min(losses)
    model = saving.load(RUN.model(100))
    for split, images in (("val", VAL), ("train", TRAIN)):
        expected = scores(images.labels, model.predict(images.images, verbose=0).argmax(axis=1))
        expected["loss"] = model.evaluate(images.images, images.labels, verbose=0)[0]
        for name, value in metrics[split].items():
            assert value == pytest.approx(expected[name], rel=1e-5, abs=1e-6)
    assert set(metrics["val"]) == {"accuracy", "loss", "precision", "f1"}
    assert set(metrics["train"]) == {"accuracy", "loss"}
    assert metrics["val"] == pytest.approx(dict(observer.val), abs=1e-6)
    # 3072-32-10, forward and twice backward, but for the gradient of the images.
    assert metrics["parameters"] == 3072 * 32 + 32 + 32 * 10 + 10
    per_image = 3 * (3072 * 32 + 32 * 10) - 3072 * 32
    assert metrics["multiply_adds"] == per_image * 330 * metrics["epochs"]
    for split in ("train", "val"):
        for name in ("loss", "accuracy"):
            rows = (RUN.log(100) / f"plots/metrics/{split}/{name}.tsv").read_text().splitlines()[1:]
            curve = [round(getattr(getattr(epoch, split), name), 6) for epoch in observer.epochs]
            assert [float(row.split("\t")[1]) for row in rows] == curve
    assert list(states.iterdir()) == []


def test_nothing_is_written_where_nothing_may_be_and_nothing_is_lost(states: Path) -> None:
    def refuse() -> None:
        raise UserError("other code")

    with pytest.raises(UserError, match="other code"):
        train(before_writing=refuse)
    assert not RUN.model(100).exists()
    assert not RUN.log(100).exists()
    (saved,) = states.glob("*/seed-100.checkpoint")
    train()
    assert not saved.exists()
    resumed = RUN.model(100).read_bytes(), (RUN.log(100) / "metrics.json").read_bytes()
    train()
    assert (RUN.model(100).read_bytes(), (RUN.log(100) / "metrics.json").read_bytes()) == resumed


def test_a_full_disk_is_told_and_the_checkpoint_continues(small_disk: tuple[Path, str], states: Path) -> None:
    folder, reason = small_disk
    larger = DenseNetwork((64,), (1e-3,), (0.2,))
    Path("models").symlink_to(folder)
    with pytest.raises(OSError, match=reason) as caught:
        train(network=larger)
    assert (caught.value.filename, caught.value.strerror) == (str(RUN.model(100)), reason)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert not RUN.log(100).exists()
    Path("models").unlink()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    train(network=larger)
    assert RUN.model(100).exists()
    assert list(states.iterdir()) == []


def test_each_seed_is_a_model_of_its_own() -> None:
    train(100)
    train(101)
    assert RUN.model(100).read_bytes() != RUN.model(101).read_bytes()
    assert read_json(RUN.log(100) / "metrics.json") != read_json(RUN.log(101) / "metrics.json")


def test_a_model_trained_in_bfloat16_has_the_scores_of_its_file_in_float32() -> None:
    large = DenseNetwork((256,) * 3, (0.0,) * 3, (0.0,) * 3)
    observer = train(network=large, recipe=recipe(3, 1e-3, precision="mixed_bfloat16"))
    metrics, model = read_json(RUN.log(100) / "metrics.json"), saving.load(RUN.model(100))
    assert metrics["val"]["loss"] == pytest.approx(model.evaluate(VAL.images, VAL.labels, verbose=0)[0], abs=2e-6)
    assert metrics["val"]["loss"] != pytest.approx(observer.epochs[-1].val.loss, abs=2e-6)


@pytest.mark.parametrize("classes", [2, 256])
@pytest.mark.parametrize(
    "network", [replace(NETWORK, l2=(0.0,)), ConvolutionalNetwork((8,), looks="mirrored")], ids=["dense", "conv"]
)
def test_there_may_be_two_classes_or_256(classes: int, network: Network) -> None:
    write_json(dataset.CLASS_NAMES, [f"class {number}" for number in range(classes)])
    random = np.random.default_rng(0)
    labels = (np.arange(2 * classes + 64) % classes).astype(np.uint8)
    split = Split(random.integers(0, 256, (len(labels), 32, 32, 3), np.uint8), labels)
    own = recipe(1, 1e-3, label_smoothing=0.1, mixup=0.2)
    train_model(RUN, 100, network, own, split, split, SHARED, Observer, may_write)
    probabilities = saving.load(RUN.model(100)).predict(split.images, verbose=0)
    assert probabilities.shape == (len(labels), classes)
    val = read_json(RUN.log(100) / "metrics.json")["val"]
    assert val["accuracy"] == pytest.approx(np.mean(probabilities.argmax(axis=1) == labels), abs=1e-6)
    assert val["loss"] == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean(), abs=2e-6)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_saved_model_that_is_not_the_one_trained_is_an_error(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = saving.load

    def another(path: Path) -> Any:
        model = opened(path)
        model.set_weights([0.5 * weight for weight in model.get_weights()])
        return model

    monkeypatch.setattr(saving, "load", another)
    with pytest.raises(RuntimeError, match=r"seed-100\.keras: the saved model has val loss"):
        train(recipe=replace(STOPPING, precision=precision))
    assert not RUN.model(100).exists()
    assert not RUN.log(100).exists()


@pytest.mark.parametrize("kind", ["mirrored", "mirrored-shifted"])
def test_averaged_looks_are_scored_with_the_model_and_the_epoch_kept_without(
    kind: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    train()
    at_one_look = read_json(RUN.log(100) / "metrics.json")
    train(network=replace(NETWORK, looks=kind))
    metrics = read_json(RUN.log(100) / "metrics.json")
    assert {key: metrics[key] for key in metrics if key != "val"} == {
        key: at_one_look[key] for key in at_one_look if key != "val"
    }
    model = saving.load(RUN.model(100))
    loss, accuracy = model.evaluate(VAL.images, VAL.labels, verbose=0)
    assert metrics["val"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert metrics["val"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["val"]["loss"] != at_one_look["val"]["loss"]
    monkeypatch.setattr(looks, "averaged", lambda network, _: averaged(network, OTHER[kind]))
    with pytest.raises(RuntimeError, match=f"off the average of {kind} looks"):
        train(network=replace(NETWORK, looks=kind))
    assert not RUN.model(100).exists()
