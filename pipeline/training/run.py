"""One model as a stage trains it: one seed of one run, its file, its log and its metrics."""

import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from dvclive import Live

from pipeline.evaluation.inference import BATCH, outputs
from pipeline.files import dataset
from pipeline.files.artefacts import DECIMALS, naming, write_json
from pipeline.files.dataset import Split
from pipeline.files.runs import Run
from pipeline.networks import looks, saving
from pipeline.networks.backend import keras
from pipeline.networks.cost import multiply_adds
from pipeline.params.beyond import Looks
from pipeline.params.recipe import Precision, Recipe
from pipeline.params.runs import Network
from pipeline.params.training import TrainParams
from pipeline.runtime import checkpoints
from pipeline.runtime.signals import stop_request
from pipeline.training import devices, memory
from pipeline.training.epoch import PIECE_PRODUCTS, CompiledEpoch, DeviceDataset, LossAndAccuracy
from pipeline.training.models import build
from pipeline.training.optimisers import keras_optimiser
from pipeline.training.scoring import score
from pipeline.training.trainer import SAVE_SECONDS, EpochResult, History, Trainer

# By how much the saved model, which computes in float32, may differ from the epoch kept. The loss may differ by the
# first number times (1 + loss), the accuracy by the second and by one image, whose two best classes rounding may swap.
ROUNDING: Mapping[Precision, tuple[float, float]] = {"float32": (1e-4, 1e-3), "mixed_bfloat16": (1e-2, 1e-2)}


class RunObserver(AbstractContextManager[Any], Protocol):
    """What is told of one seed while it trains."""

    def on_epoch(self, epoch: EpochResult) -> None:
        """An epoch has ended."""

    def on_end(self, history: History, kept_epoch: int, val: Mapping[str, float]) -> None:
        """The seed has ended; ``val`` are the scores of the model that was saved."""


# Called with a title, the number of epochs at most and the number of training images.
Observe = Callable[[str, int, int], RunObserver]


def train_model(
    run: Run,
    seed: int,
    network: Network,
    recipe: Recipe,
    train: Split,
    val: Split,
    train_params: TrainParams,
    observe: Observe,
    before_writing: Callable[[], None],
    save_seconds: float = SAVE_SECONDS,
    piece_products: float = PIECE_PRODUCTS,
) -> None:
    """Train ``seed`` of ``run`` on ``train``, validate it on ``val``; write its model, its log and its metrics.json.

    The val scores are those of the saved model, which computes in float32; the train scores those of the same weights
    at one look, in the recipe's precision. Continues from the checkpoint of a run that was killed; ``save_seconds`` and
    ``piece_products`` are those of :class:`Trainer` and :class:`CompiledEpoch`. ``before_writing`` raises where nothing
    may be written. Raises :class:`pipeline.files.errors.UserError` when training diverges, the network is larger than
    the machine's memory or another process trains the same run in this work tree, and
    :class:`pipeline.runtime.signals.Stopped` after a signal; then no output stays behind.
    """
    class_names = dataset.class_names()
    scope = devices.scope(train_params)
    configuration = {"seed": seed, "network": asdict(network), "recipe": asdict(recipe)} | devices.identity(
        train_params
    )
    memory.check(network, recipe, len(class_names), len(train.labels))
    key = checkpoints.run_key(configuration, (train, val), __name__)
    title = f"{run.title}, seed {seed}"
    if recipe.precision == "mixed_bfloat16" and not devices.multiplies_bfloat16():
        print(
            f"warning: {title}: this processor has no bfloat16 instructions: float32 is several times as fast",
            file=sys.stderr,
        )
    with (
        memory.exhaustion_told(network, recipe),
        checkpoints.open_checkpoints(key, run.model(seed)) as saved,
        stop_request() as stop,
        observe(title, recipe.epochs, len(train.labels)) as observer,
    ):
        with scope:
            model = build(network, train, len(class_names))
            data = DeviceDataset(train), DeviceDataset(val)
            epoch = CompiledEpoch(model, *data, recipe, recipe.epochs, piece_products)
        try:
            trainer = Trainer(epoch, recipe, seed, saved, stop, save_seconds=save_seconds)
            with (
                naming(run.log(seed)),
                Live(str(run.log(seed)), dvcyaml=None, save_dvc_exp=False, report=None) as log,
            ):

                def on_epoch(result: EpochResult) -> None:
                    _log_epoch(log, result)
                    observer.on_epoch(result)

                history = trainer.run(on_epoch)
            before_writing()
            model.set_weights(trainer.kept_weights)
            averaging = looks.averaged(model, network.looks)
            averaging.compile(keras_optimiser(recipe), "sparse_categorical_crossentropy", metrics=["accuracy"])
            saving.save(run.model(seed), averaging, class_names)
            read_back = saving.load(run.model(seed))
            at_one_look = looks.network_of(read_back)
            val_scores = score(at_one_look, val)
            kept_epoch = history.epochs[history.kept_epoch(recipe) - 1]
            _check_agreement(run.model(seed), val_scores, kept_epoch.val, val, recipe.precision)
            if at_one_look is not read_back:
                _check_average(run.model(seed), read_back, at_one_look, network.looks, val)
                val_scores = score(read_back, val)
            metrics = {
                "val": val_scores,
                "train": asdict(epoch.score_on_train(trainer.kept_weights)),
                "epochs": len(history.epochs),
                "best_epoch": history.best_epoch,
                "parameters": model.count_params(),
                "multiply_adds": multiply_adds(model) * len(train.labels) * len(history.epochs),
            }
            # In the place of dvclive's summary, which holds the scores of the last epoch.
            write_json(run.log(seed) / "metrics.json", metrics)
            observer.on_end(history, history.kept_epoch(recipe), val_scores)
        except BaseException:
            shutil.rmtree(run.log(seed), ignore_errors=True)
            run.model(seed).unlink(missing_ok=True)
            raise
        saved.remove()


def _check_agreement(
    path: Path, saved: Mapping[str, float], trained: LossAndAccuracy, val: Split, precision: Precision
) -> None:
    """Raise :class:`RuntimeError` where the saved model is another than the one that was trained, but for rounding."""
    of_loss, of_accuracy = ROUNDING[precision]
    loss_differs = abs(saved["loss"] - trained.loss) > of_loss * (1 + abs(trained.loss))
    accuracy_differs = abs(saved["accuracy"] - trained.accuracy) > 1.5 / len(val.labels) + of_accuracy
    if loss_differs or accuracy_differs:
        raise RuntimeError(
            f"{path}: the saved model has val loss {saved['loss']:.6f} and accuracy {saved['accuracy']:.6f}, "
            f"the epoch kept had {trained.loss:.6f} and {trained.accuracy:.6f}"
        )


def _check_average(path: Path, saved: keras.Model, network: keras.Model, kind: Looks, val: Split) -> None:
    """Raise :class:`RuntimeError` where the saved model does not average its looks at the first images of ``val``."""
    images = val.images[:BATCH]
    error = np.abs(outputs(saved, images) - looks.by_hand(lambda seen: outputs(network, seen), images, kind)).max()
    if error > 1e-5:
        raise RuntimeError(
            f"{path}: the saved model's probabilities are up to {error:g} off the average of {kind} looks"
        )


def _log_epoch(log: Live, epoch: EpochResult) -> None:
    log.step = epoch.number
    for split, result in (("train", epoch.train), ("val", epoch.val)):
        log.log_metric(f"{split}/loss", round(result.loss, DECIMALS))
        log.log_metric(f"{split}/accuracy", round(result.accuracy, DECIMALS))
    log.make_summary()
