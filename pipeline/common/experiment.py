"""One run as a stage trains it: every seed a model, its log, and the figures over all seeds."""

import shutil
from dataclasses import dataclass
from typing import Any

from dvclive import Live

from pipeline.common import data, models
from pipeline.common.artefacts import DECIMALS, write_json
from pipeline.common.epoch import Epochs
from pipeline.common.metrics import classification, loss_and_predictions, over_seeds
from pipeline.common.network import Architecture, build
from pipeline.common.params import Train
from pipeline.common.progress import TrainingProgress
from pipeline.common.runs import Run
from pipeline.common.training import Epoch, Schedule, train


@dataclass(frozen=True)
class Configuration:
    """What distinguishes one run from another. ``patience`` None: no early stopping."""

    architecture: Architecture
    learning_rate: float
    patience: int | None = None


def train_run(run: Run, configuration: Configuration, settings: Train) -> None:
    """Train ``run`` once per seed; write its models, logs and metrics.

    Raises :class:`pipeline.common.command.UserError` when training diverges; then no output stays behind.
    """
    parts = data.load("train"), data.load("val")
    model = build(configuration.architecture, classes=len(data.class_names()))
    model.optimizer.learning_rate = configuration.learning_rate
    program = Epochs(model, *parts, settings.batch_size)
    schedule = Schedule(settings.epochs, configuration.learning_rate, configuration.patience)
    try:
        figures = [_train_seed(run, seed, model, program, schedule, parts) for seed in settings.seeds]
    except BaseException:
        # A model or a log without its figures would be half of an output.
        for seed in settings.seeds:
            shutil.rmtree(run.log(seed), ignore_errors=True)
            run.model(seed).unlink(missing_ok=True)
        raise
    summary: dict[str, Any] = {"parameters": model.count_params()}
    summary |= over_seeds([{name: figure[name] for name in ("epochs", "best_epoch")} for figure in figures])
    for part in ("val", "train"):
        summary[part] = over_seeds([figure[part] for figure in figures])
    write_json(run.metrics, summary)


def _train_seed(
    run: Run, seed: int, model: Any, program: Epochs, schedule: Schedule, parts: tuple[data.Part, data.Part]
) -> dict[str, Any]:
    """Train and save one model; return the figures of the saved one, read back from its file."""
    train_part, val_part = parts
    log = Live(str(run.log(seed)), dvcyaml=None, save_dvc_exp=False, report=None)
    with log, TrainingProgress(f"{run.title}, seed {seed}", schedule.epochs, len(train_part.labels)) as progress:

        def on_epoch(epoch: Epoch) -> None:
            _log_epoch(log, epoch)
            progress.show(epoch)

        history = train(model, program, schedule, seed, on_epoch)
        models.save(run.model(seed), model)
        saved = models.load(run.model(seed))
        figures = {part: _measure(saved, images) for part, images in (("train", train_part), ("val", val_part))}
        val = figures["val"]
        kept = len(history.epochs) if schedule.patience is None else history.best_epoch
        log.log_metric("model/epoch", kept, plot=False)
        log.log_metric("model/val_accuracy", round(val["accuracy"], DECIMALS), plot=False)
        progress.summarise(history, kept, val)
    return {
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "val": val,
        "train": {name: figures["train"][name] for name in ("accuracy", "loss")},
    }


def _measure(model: Any, part: data.Part) -> dict[str, float]:
    loss, predicted = loss_and_predictions(model, part)
    return classification(part.labels, predicted) | {"loss": loss}


def _log_epoch(log: Live, epoch: Epoch) -> None:
    log.step = epoch.number
    for part, score in (("train", epoch.train), ("val", epoch.val)):
        log.log_metric(f"{part}/loss", round(score.loss, DECIMALS))
        log.log_metric(f"{part}/accuracy", round(score.accuracy, DECIMALS))
    log.make_summary()
