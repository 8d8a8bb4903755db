"""One run as a stage trains it: every seed a model, its log, and the metrics over all seeds."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from dvclive import Live

from pipeline.evaluation.statistics import over_seeds
from pipeline.files import dataset, sources
from pipeline.files.artefacts import DECIMALS, write_json
from pipeline.files.runs import Run
from pipeline.networks import dense, saving
from pipeline.params.runs import DenseNetwork, Recipe
from pipeline.params.training import TrainParams
from pipeline.runtime import checkpoints
from pipeline.runtime.checkpoints import Checkpoints
from pipeline.runtime.signals import StopRequest, stop_request
from pipeline.training import devices
from pipeline.training.epoch import PIECE_PRODUCTS, CompiledEpoch, DeviceDataset
from pipeline.training.scoring import score
from pipeline.training.trainer import SAVE_SECONDS, EpochResult, History, Trainer


class RunObserver(AbstractContextManager[Any], Protocol):
    """What is told of one seed while it trains."""

    def on_epoch(self, epoch: EpochResult) -> None:
        """An epoch has ended."""

    def on_end(self, history: History, kept_epoch: int, val: Mapping[str, float]) -> None:
        """The seed has ended; ``val`` are the scores of the model that was saved."""


# Called with a title, the number of epochs at most and the number of training images.
Observe = Callable[[str, int, int], RunObserver]


def train_run(
    run: Run,
    network: DenseNetwork,
    recipe: Recipe,
    train_params: TrainParams,
    observe: Observe,
    summary: Mapping[str, Any] | None = None,
    save_seconds: float = SAVE_SECONDS,
    piece_products: float = PIECE_PRODUCTS,
) -> None:
    """Train ``run`` once per seed; write its models, logs and metrics, and beside these the ``summary``.

    Continues from the checkpoints of a run that was killed; ``save_seconds`` and ``piece_products`` are those of
    :class:`Trainer` and :class:`CompiledEpoch`. Raises :class:`pipeline.files.errors.UserError` when
    training diverges or another process trains the same run, and :class:`pipeline.runtime.signals.Stopped` after a
    signal; then no output stays behind.
    """
    train, val = dataset.load("train"), dataset.load("val")
    scope = devices.scope(train_params.device, train_params.strategy)
    configuration = {"network": asdict(network), "recipe": asdict(recipe), "devices": devices.names()}
    configuration |= train_params.model_dump(include={"device", "strategy"})
    run_key = checkpoints.run_key(configuration, (train, val), sources.executed(__name__))
    with checkpoints.open_checkpoints(run_key, run.metrics) as saved, stop_request() as stop:
        with scope:
            model = dense.build(network.units, network.l2, network.dropout, len(dataset.class_names()))
            model.optimizer.learning_rate = recipe.learning_rate
            epoch = CompiledEpoch(
                model,
                DeviceDataset(train),
                DeviceDataset(val),
                recipe.batch_size,
                recipe.precision,
                recipe.epochs,
                piece_products,
            )
        seeds = _Seeds(run, model, epoch, recipe, saved, stop, observe, save_seconds)
        try:
            scores = [seeds.train(seed) for seed in train_params.seeds]
            _write_metrics(run, {"parameters": model.count_params()} | dict(summary or {}), scores)
        except BaseException:
            for seed in train_params.seeds:
                shutil.rmtree(run.log(seed), ignore_errors=True)
                run.model(seed).unlink(missing_ok=True)
            raise
        saved.remove()


def _write_metrics(run: Run, summary: dict[str, Any], scores: Sequence[dict[str, Any]]) -> None:
    """Mean and spread of every score over the seeds, beside the ``summary``."""
    statistics: dict[str, Any] = over_seeds(
        [{name: seed[name] for name in ("epochs", "best_epoch")} for seed in scores]
    )
    for split in ("val", "train"):
        statistics[split] = over_seeds([seed[split] for seed in scores])
    write_json(run.metrics, summary | statistics)


@dataclass(frozen=True)
class _Seeds:
    """What all seeds of a run share."""

    run: Run
    model: Any
    epoch: CompiledEpoch
    recipe: Recipe
    checkpoints: Checkpoints
    stop: StopRequest
    observe: Observe
    save_seconds: float

    def train(self, seed: int) -> dict[str, Any]:
        """Train and save one model; return the scores of the saved one, read back from its file."""
        train, val = dataset.load("train"), dataset.load("val")
        log = Live(str(self.run.log(seed)), dvcyaml=None, save_dvc_exp=False, report=None)
        title = f"{self.run.title}, seed {seed}"
        with log, self.observe(title, self.recipe.epochs, len(train.labels)) as observer:

            def on_epoch(epoch: EpochResult) -> None:
                _log_epoch(log, epoch)
                observer.on_epoch(epoch)

            trainer = Trainer(
                self.model,
                self.epoch,
                self.recipe,
                seed,
                self.checkpoints,
                self.stop,
                save_seconds=self.save_seconds,
            )
            history = trainer.run(on_epoch)
            trainer.restore_best_weights()
            saving.save(self.run.model(seed), self.model)
            saved = saving.load(self.run.model(seed))
            val_scores, train_scores = score(saved, val), score(saved, train)
            kept = history.kept_epoch(self.recipe)
            log.log_metric("model/epoch", kept, plot=False)
            log.log_metric("model/val_accuracy", round(val_scores["accuracy"], DECIMALS), plot=False)
            observer.on_end(history, kept, val_scores)
        self.stop.raise_if_requested(f"seed {seed}, after its last epoch", saved=True)
        return {
            "epochs": len(history.epochs),
            "best_epoch": history.best_epoch,
            "val": val_scores,
            "train": {name: train_scores[name] for name in ("accuracy", "loss")},
        }


def _log_epoch(log: Live, epoch: EpochResult) -> None:
    log.step = epoch.number
    for split, result in (("train", epoch.train), ("val", epoch.val)):
        log.log_metric(f"{split}/loss", round(result.loss, DECIMALS))
        log.log_metric(f"{split}/accuracy", round(result.accuracy, DECIMALS))
    log.make_summary()
