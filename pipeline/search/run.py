"""A search for hyperparameters with Keras Tuner's oracles; every trial trains as all runs do, and can be continued."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.files import dataset
from pipeline.files.errors import UserError
from pipeline.networks import dense
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.recipe import Recipe
from pipeline.params.runs import searched_network
from pipeline.params.search import SearchParams
from pipeline.params.training import TrainParams
from pipeline.runtime import checkpoints
from pipeline.runtime.checkpoints import Checkpoints
from pipeline.runtime.signals import StopRequest, stop_request
from pipeline.search import distributed, trials
from pipeline.search.oracles import OBJECTIVE, oracle
from pipeline.search.trials import Trial
from pipeline.training import devices, memory
from pipeline.training.epoch import CompiledEpoch, DeviceDataset
from pipeline.training.memory import TooLargeError
from pipeline.training.program import Structure, forget
from pipeline.training.trainer import DivergedError, EpochResult, Trainer

# Seconds between two requests for a trial while other workers train what the next one depends on.
IDLE_SECONDS = 1.0


class SearchObserver(AbstractContextManager[Any], Protocol):
    """What is told of a search while it runs."""

    def started(self, name: str, round_: int, max_epoch: int) -> None:
        """A trial begins or goes on."""

    def on_epoch(self, epoch: EpochResult) -> None:
        """An epoch of the running trial has ended."""

    def ended(self, trial: Trial, *, fresh: bool) -> None:
        """A trial has ended: in this process if ``fresh``, else before."""

    def watch(self, recorded: Sequence[Trial], *, fresh: bool) -> None:
        """These trials have been recorded so far, new ones in this search's time if ``fresh``."""

    def say(self, message: str) -> None:
        """Something happened that a person wants to know."""


# Called with a title, the number of trials planned and the number of epochs at most.
Observe = Callable[[str, int, int], SearchObserver]


@contextmanager
def open_search(search: SearchParams, train_params: TrainParams, outputs: Path) -> Iterator[Checkpoints]:
    """The checkpoints of ``search``, which remain until they are removed.

    See :func:`pipeline.runtime.checkpoints.open_checkpoints`. A worker shares them with its chief. Where nothing can be
    kept, a temporary folder serves. Raises :class:`UserError` where a chief can keep nothing, because its workers would
    not find it.
    """
    splits = dataset.load("train"), dataset.load("val")
    shared = train_params.model_dump(include={"batch_size", "precision"}) | devices.identity(train_params)
    key = checkpoints.run_key({"search": repr(search)} | shared, splits, __name__)
    if distributed.is_worker():
        yield Checkpoints(checkpoints.folder() / key)
        return
    # The workers of a chief that was killed go on, and write there.
    with checkpoints.open_checkpoints(key, outputs, alone=not distributed.is_chief()) as saved:
        if saved.path is not None:
            yield saved
        elif distributed.is_chief():
            allowed = f"allowed in {checkpoints.VARIABLE}: a folder that the chief and its workers share"
            raise UserError(f"{checkpoints.folder()} cannot be written; {allowed}")
        else:
            with tempfile.TemporaryDirectory() as folder:
                yield Checkpoints(Path(folder))


def run_search(
    title: str, search: SearchParams, train_params: TrainParams, saved: Checkpoints, observe: Observe
) -> list[Trial]:
    """Train what is left of the trials of ``search``, and return all. As a chief, let workers do it.

    Raises :class:`UserError` where what is recorded is not what has ended, and
    :class:`pipeline.runtime.signals.Stopped` after a signal, with everything saved.
    """
    folder = _folder(saved)
    with stop_request() as stop, observe(title, search.planned_trials, search.planned_epochs) as observer:
        if distributed.is_chief():
            chooser = oracle(search, folder, partial(_prune, saved))
            observer.watch(trials.recorded(folder), fresh=False)
            distributed.serve(chooser, folder, lambda: observer.watch(trials.recorded(folder), fresh=True), stop)
        else:
            if distributed.is_worker():
                chooser = distributed.Chief(folder, stop)
            else:
                chooser = oracle(search, folder, partial(_prune, saved))
                chooser.requeue_all()
            observer.watch(trials.recorded(folder), fresh=False)
            with devices.scope(train_params):
                train, val = DeviceDataset(dataset.load("train")), DeviceDataset(dataset.load("val"))
            classes = len(dataset.class_names())
            worker = _Worker(chooser, search, train_params, saved, stop, observer, train, val, classes)
            worker.work(os.environ.get(distributed.TUNER_ID, "tuner0"))
        stop.raise_if_requested(f"{title}, after the last trial", saved=True)
    return trials.recorded(folder) if distributed.is_worker() else trials.confirmed(folder, chooser.scores())


@dataclass(frozen=True)
class _Worker:
    """What all trials of a search share."""

    chooser: Any
    search: SearchParams
    train_params: TrainParams
    saved: Checkpoints
    stop: StopRequest
    observer: SearchObserver
    train: DeviceDataset
    val: DeviceDataset
    classes: int
    compiled: dict[str, Structure] = field(default_factory=dict)

    def work(self, tuner: str) -> None:
        """Ask for trials and train them until there are no more."""
        while (chosen := self.chooser.create_trial(tuner)).status != "STOPPED":
            if chosen.status == "IDLE":
                time.sleep(IDLE_SECONDS)
                self.stop.raise_if_requested("the wait for other workers", saved=True)
                continue
            trial = self._train(chosen.trial_id, chosen.hyperparameters.values)
            trials.record(_folder(self.saved), trial)
            self.chooser.update_trial(trial.name, {OBJECTIVE: trial.val_accuracy}, step=trial.epochs)
            chosen.status = "COMPLETED"
            self.chooser.end_trial(chosen)
            self.observer.ended(trial, fresh=True)
            # A trial whose checkpoint has been pruned will not go on.
            alive = {path.stem for path in _folder(self.saved).glob("trial-*.checkpoint")}
            forget(all_but=[structure for name, structure in self.compiled.items() if f"trial-{name}" in alive])

    def _train(self, name: str, values: Mapping[str, Any]) -> Trial:
        """As :meth:`_attempt`; a trial that cannot be trained has failed, and the search goes on."""
        max_epoch = int(values.get("tuner/epochs", self.search.max_epochs))
        before = trials.take_again(_folder(self.saved), name, values, max_epoch)
        if before is not None:
            return before
        try:
            return self._attempt(name, values)
        except (DivergedError, TooLargeError) as error:
            self.observer.say(str(error))
            trained = max(0, error.epochs - int(values.get("tuner/initial_epoch", 0)))
            return trials.ended(name, values, None, trained, max_epoch, failure=error.reason)

    def _attempt(self, name: str, values: Mapping[str, Any]) -> Trial:
        """Train the trial ``name`` with Keras Tuner's ``values`` to the end of its rung."""
        train = self.train_params
        max_epoch = int(values.get("tuner/epochs", self.search.max_epochs))
        initial = int(values.get("tuner/initial_epoch", 0))
        network = searched_network(values, self.search.dropout_after)
        patience, reduce_lr_patience = self.search.patience, self.search.reduce_lr_patience
        learning_rate = float(values["learning_rate"])
        recipe = Recipe(max_epoch, train.batch_size, train.precision, learning_rate, patience, reduce_lr_patience)
        memory.check(network, recipe, self.classes, self.train.count)
        with devices.scope(train), memory.exhaustion_told(network, recipe):
            model = dense.build(network.units, network.l2, network.dropout, self.classes)
            left = max_epoch - initial
            epoch = CompiledEpoch(model, self.train, self.val, recipe, left)
        self.compiled[name] = epoch.structure
        self.observer.started(name, int(values.get("tuner/round", 0)), max_epoch)

        names = [f"trial-{name}"]
        if values.get("tuner/trial_id"):
            names.append(f"trial-{values['tuner/trial_id']}")
        seed = _seed(self.search, values, name, self.saved)
        with memory.exhaustion_told(network, recipe):
            # Its checkpoint stays for a later rung.
            trainer = Trainer(epoch, recipe, seed, self.saved, self.stop, names, keep_best=False)
            history = trainer.run(self.observer.on_epoch, partial(self.chooser.heartbeat, name))
            trainer.save()
        return trials.ended(name, values, history, max(0, len(history.epochs) - initial), max_epoch)


def _seed(search: SearchParams, values: Mapping[str, Any], name: str, saved: Checkpoints) -> int:
    """The seed of a trial; one that continues another has that one's."""
    known = {trial.name: trial for trial in trials.recorded(_folder(saved))}
    root, parent = name, values.get("tuner/trial_id")
    while parent is not None:
        root, parent = parent, known[parent].parent
    return int(generator(search.seed, Purpose.TRIAL, int(root)).integers(2**31))


def _folder(saved: Checkpoints) -> Path:
    if saved.path is None:
        raise ValueError("a search needs a folder for its checkpoints")
    return saved.path


def _prune(saved: Checkpoints, names: set[str]) -> None:
    """Remove the checkpoints of the trials ``names``."""
    for name in names:
        saved.discard(f"trial-{name}")
