"""One run as a stage trains it: every seed a model, its log, and the figures over all seeds."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dvclive import Live

from pipeline.common import data, devices, models, state
from pipeline.common.artefacts import DECIMALS, write_json
from pipeline.common.epoch import Program, Resident
from pipeline.common.metrics import classification, loss_and_predictions, over_seeds
from pipeline.common.network import Architecture, build
from pipeline.common.params import Train
from pipeline.common.progress import TrainingProgress
from pipeline.common.runs import Run
from pipeline.common.state import Store
from pipeline.common.stopping import StopRequest, stop_request
from pipeline.common.training import Epoch, History, Schedule, Training

# The modules that decide what is trained: a state made by other code is not used.
_TRAINING_CODE = [
    f"pipeline.common.{name}"
    for name in (
        "backend",
        "data",
        "devices",
        "epoch",
        "experiment",
        "network",
        "randomness",
        "state",
        "steps",
        "training",
    )
]


@dataclass(frozen=True)
class Configuration:
    """What distinguishes one run from another. ``patience`` None: no early stopping."""

    architecture: Architecture
    learning_rate: float
    patience: int | None = None
    reduce_lr_patience: int = 0


def train_run(run: Run, configuration: Configuration, settings: Train, facts: Mapping[str, Any] | None = None) -> None:
    """Train ``run`` once per seed; write its models, logs and metrics, and beside these the ``facts``.

    Continues from the state of a run that was killed. Raises :class:`pipeline.common.command.UserError` when training
    diverges or another process trains the same run, and :class:`pipeline.common.stopping.Stopped` after a signal; then
    no output stays behind.
    """
    parts = data.load("train"), data.load("val")
    scope = devices.scope(settings.device, settings.strategy)
    shared: dict[str, Any] = {"devices": devices.names()}
    shared |= {name: value for name, value in settings.model_dump().items() if name != "seeds"}
    key = state.key(asdict(configuration) | shared, parts, _TRAINING_CODE)
    with state.opened(key, run.metrics) as store, stop_request() as stop:
        with scope:
            model = build(configuration.architecture, classes=len(data.class_names()))
            model.optimizer.learning_rate = configuration.learning_rate
            train_part, val_part = map(Resident, parts)
            program = Program(model, train_part, val_part, settings.batch_size, settings.precision, settings.epochs)
        schedule = Schedule(
            settings.epochs, configuration.learning_rate, configuration.patience, configuration.reduce_lr_patience
        )
        try:
            figures = [_train_seed(run, seed, model, program, schedule, store, stop) for seed in settings.seeds]
            _write_metrics(run, {"parameters": model.count_params()} | dict(facts or {}), figures)
        except BaseException:
            for seed in settings.seeds:
                shutil.rmtree(run.log(seed), ignore_errors=True)
                run.model(seed).unlink(missing_ok=True)
            raise
        store.remove()


def _write_metrics(run: Run, facts: dict[str, Any], figures: Sequence[dict[str, Any]]) -> None:
    """Mean and spread of every figure over the seeds, beside the ``facts``."""
    summary = facts | over_seeds([{name: figure[name] for name in ("epochs", "best_epoch")} for figure in figures])
    for part in ("val", "train"):
        summary[part] = over_seeds([figure[part] for figure in figures])
    write_json(run.metrics, summary)


def _train_seed(
    run: Run, seed: int, model: Any, program: Program, schedule: Schedule, store: Store, stop: StopRequest
) -> dict[str, Any]:
    """Train and save one model; return the figures of the saved one, read back from its file."""
    train_part, val_part = data.load("train"), data.load("val")
    log = Live(str(run.log(seed)), dvcyaml=None, save_dvc_exp=False, report=None)
    with log, TrainingProgress(f"{run.title}, seed {seed}", schedule.epochs, len(train_part.labels)) as progress:

        def on_epoch(epoch: Epoch) -> None:
            _log_epoch(log, epoch)
            progress.show(epoch)

        training = Training(model, program, schedule, seed, store, stop)
        history = training.run(on_epoch)
        training.keep()
        models.save(run.model(seed), model)
        saved = models.load(run.model(seed))
        val, train_figures = _measure(saved, val_part), _measure(saved, train_part)
        kept = _kept_epoch(history, schedule)
        log.log_metric("model/epoch", kept, plot=False)
        log.log_metric("model/val_accuracy", round(val["accuracy"], DECIMALS), plot=False)
        progress.summarise(history, kept, val)
    stop.obey(f"seed {seed}, after its last epoch", saved=True)
    return {
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "val": val,
        "train": {name: train_figures[name] for name in ("accuracy", "loss")},
    }


def _kept_epoch(history: History, schedule: Schedule) -> int:
    return len(history.epochs) if schedule.patience is None else history.best_epoch


def _measure(model: Any, part: data.Part) -> dict[str, float]:
    loss, predicted = loss_and_predictions(model, part)
    return classification(part.labels, predicted) | {"loss": loss}


def _log_epoch(log: Live, epoch: Epoch) -> None:
    log.step = epoch.number
    for part, score in (("train", epoch.train), ("val", epoch.val)):
        log.log_metric(f"{part}/loss", round(score.loss, DECIMALS))
        log.log_metric(f"{part}/accuracy", round(score.accuracy, DECIMALS))
    log.make_summary()
