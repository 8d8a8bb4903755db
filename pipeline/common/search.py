"""A search for hyperparameters with Keras Tuner's oracles; every trial trains as all runs do, and can be continued."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.common import cluster, data, devices, state, trials
from pipeline.common.command import UserError
from pipeline.common.epoch import Program, Resident
from pipeline.common.network import build
from pipeline.common.oracles import OBJECTIVE, hyperparameters, oracle
from pipeline.common.params import Train
from pipeline.common.randomness import Purpose, generator
from pipeline.common.search_progress import SearchProgress
from pipeline.common.searches import Search, rungs
from pipeline.common.state import Store
from pipeline.common.steps import Steps, forget
from pipeline.common.stopping import Stopped, StopRequest, stop_request
from pipeline.common.training import DivergedError, Epoch, Schedule, Training
from pipeline.common.trials import Trial

CODE = [
    f"pipeline.common.{name}"
    for name in (
        "backend",
        "data",
        "devices",
        "epoch",
        "network",
        "oracles",
        "randomness",
        "search",
        "state",
        "steps",
        "training",
        "trials",
    )
]

# Between two questions for a trial while other workers train what the next one depends on.
IDLE_SECONDS = 1.0


@contextmanager
def opened(search: Search, settings: Train, outputs: Path) -> Iterator[Store]:
    """The states of ``search``, which remain until they are removed; see :func:`pipeline.common.state.opened`.

    A worker shares them with its chief. Where nothing can be kept, a temporary folder serves. Raises
    :class:`UserError` where a chief can keep nothing: its workers would not find it.
    """
    parts = data.load("train"), data.load("val")
    shared = settings.model_dump(include={"batch_size", "precision", "device", "strategy"})
    key = state.key({"search": repr(search), "tuner": version("keras-tuner")} | shared, parts, CODE)
    if cluster.is_worker():
        yield Store(state.folder() / key)
        return
    with state.opened(key, outputs) as store:
        if store.path is not None:
            yield store
        elif cluster.is_chief():
            raise UserError(f"{state.folder()} cannot be written, where a chief and its workers meet")
        else:
            with tempfile.TemporaryDirectory() as folder:
                yield Store(Path(folder))


def run(title: str, search: Search, settings: Train, store: Store) -> list[Trial]:
    """Train what is left of the trials of ``search``, and return all. As a chief, let workers do it.

    Raises :class:`Stopped` after a signal, with everything saved.
    """
    folder = _folder(store)
    progress = SearchProgress(title, planned_trials(search), planned_epochs(search))
    with stop_request() as stop, progress:
        if cluster.is_chief():
            chooser = oracle(search, folder, lambda names: _prune(folder, names))
            progress.watch(trials.recorded(folder), fresh=False)
            cluster.serve(chooser, folder, lambda: progress.watch(trials.recorded(folder), fresh=True), stop)
        else:
            if cluster.is_worker():
                chooser = cluster.Chief(stop)
                chooser.check(hyperparameters(search), folder)
            else:
                chooser = oracle(search, folder, lambda names: _prune(folder, names))
                chooser.take_all_back()
            progress.watch(trials.recorded(folder), fresh=False)
            with devices.scope(settings.device, settings.strategy):
                train, val = Resident(data.load("train")), Resident(data.load("val"))
            classes = len(data.class_names())
            worker = _Worker(chooser, search, settings, store, stop, progress, train, val, classes)
            worker.work(os.environ.get(cluster.TUNER_ID, "tuner0"))
        stop.obey(f"{title}, after the last trial", saved=True)
    return trials.recorded(folder)


def planned_trials(search: Search) -> int:
    """How many trials the search will have."""
    if search.algorithm == "hyperband":
        return sum(count for _, count, _ in rungs(search.max_epochs, search.factor))
    return int(search.combinations) if search.algorithm == "grid" else int(min(search.max_trials, search.combinations))


def planned_epochs(search: Search) -> int:
    """How many epochs the search will train if no trial stops early."""
    if search.algorithm != "hyperband":
        return planned_trials(search) * search.max_epochs
    total = before = 0
    for round_, count, epochs in rungs(search.max_epochs, search.factor):
        total += count * (epochs - (before if round_ else 0))
        before = epochs
    return total


@dataclass(frozen=True)
class _Worker:
    """What all trials of a search share."""

    chooser: Any
    search: Search
    settings: Train
    store: Store
    stop: StopRequest
    progress: SearchProgress
    train: Resident
    val: Resident
    classes: int
    compiled: dict[str, Steps] = field(default_factory=dict)

    def work(self, tuner: str) -> None:
        """Ask for trials and train them until there are no more."""
        while (chosen := self.chooser.create_trial(tuner)).status != "STOPPED":
            if chosen.status == "IDLE":
                time.sleep(IDLE_SECONDS)
                if self.stop.number is not None:
                    raise Stopped(self.stop.number, "stopped while waiting for other workers")
                continue
            trial = self._train(chosen.trial_id, chosen.hyperparameters.values)
            trials.record(_folder(self.store), trial)
            self.chooser.update_trial(trial.name, {OBJECTIVE: trial.val_accuracy}, step=trial.epochs)
            chosen.status = "COMPLETED"
            self.chooser.end_trial(chosen)
            self.progress.ended(trial, fresh=True)
            # A trial whose state has been pruned will not go on.
            alive = {path.name for path in _folder(self.store).glob("trial-*.state")}
            forget(all_but=[steps for name, steps in self.compiled.items() if f"trial-{name}.state" in alive])

    def _train(self, name: str, values: Mapping[str, Any]) -> Trial:
        """Train the trial ``name`` to the end of its rung."""
        configuration = trials.configuration(self.search, values)
        budget = int(values.get("tuner/epochs", self.search.max_epochs))
        initial = int(values.get("tuner/initial_epoch", 0))
        settings = self.settings
        with devices.scope(settings.device, settings.strategy):
            model = build(configuration.architecture, self.classes)
            program = Program(model, self.train, self.val, settings.batch_size, settings.precision, budget - initial)
        self.compiled[name] = program.steps
        schedule = Schedule(budget, configuration.learning_rate, configuration.patience, self.search.reduce_lr_patience)
        self.progress.started(name, int(values.get("tuner/round", 0)), budget)

        def on_epoch(epoch: Epoch) -> None:
            self.progress.epoch(epoch)
            self.chooser.sign_of_life(name)

        states = [f"trial-{name}"]
        if values.get("tuner/trial_id"):
            states.append(f"trial-{values['tuner/trial_id']}")
        seed = _seed(self.search, values, name, self.store)
        try:
            # Its state stays for a later rung.
            training = Training(model, program, schedule, seed, self.store, self.stop, states, keep_best=False)
            history = training.run(on_epoch)
            training.save()
        except DivergedError as error:
            self.progress.say(str(error))
            return trials.ended(name, values, None, 0, budget)
        spent = max(0, len(history.epochs) - initial)
        return trials.ended(name, values, history, spent, budget)


def _seed(search: Search, values: Any, name: str, store: Store) -> int:
    """The seed of a trial; one that continues another has that one's."""
    known = {trial.name: trial for trial in trials.recorded(_folder(store))}
    root, parent = name, values.get("tuner/trial_id")
    while parent is not None:
        root, parent = parent, known[parent].parent
    return int(generator(search.seed, Purpose.TRIAL, int(root)).integers(2**31))


def _folder(store: Store) -> Path:
    if store.path is None:
        raise ValueError("a search needs a folder for its states")
    return store.path


def _prune(folder: Path, names: set[str]) -> None:
    """Remove the states of all trials that have ended, but for those of ``names``."""
    for trial in trials.recorded(folder):
        if trial.name not in names:
            (folder / f"trial-{trial.name}.state").unlink(missing_ok=True)
