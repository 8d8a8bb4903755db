"""Keras Tuner's oracles, which choose the next trial: their state is written atomically, and losers are pruned."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files.artefacts import write_text
from pipeline.params.search import SearchParams
from pipeline.search import trials
from pipeline.search.space import space
from pipeline.search.tuner import Trial, keras_tuner

OBJECTIVE = "val_accuracy"

# Combinations that an oracle may draw in vain, one after another, before it takes its space for exhausted.
COLLISIONS = 10_000


def oracle(search: SearchParams, folder: Path, prune: Callable[[set[str]], None]) -> Any:
    """The oracle of ``search``, as it was when it last wrote its state into ``folder``.

    ``prune`` is called whenever a trial has ended, with the ids of those ended trials that no other can continue.
    Where that state or a record of a trial is damaged, a warning says so, and the oracle chooses from the first trial
    on: :func:`pipeline.search.trials.take_again` finds those that were trained.
    """
    made = _new(search, folder, prune)
    try:
        trials.recorded(folder)
        made.reload()
    # What JSON that was cut short gives, or is not Keras Tuner's.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        print(
            f"warning: {folder} is damaged: the search chooses its trials again, and trains only what is missing",
            file=sys.stderr,
            flush=True,
        )
        trials.set_aside(folder)
        made.file.unlink(missing_ok=True)
        made = _new(search, folder, prune)
    return made


def _new(search: SearchParams, folder: Path, prune: Callable[[set[str]], None]) -> Any:
    """The oracle of ``search`` before its first trial."""
    shared = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        # Keras Tuner takes a seed of 0 for none.
        "seed": search.seed + 1,
        "hyperparameters": space(search),
        "allow_new_entries": False,
        "tune_new_entries": False,
    }
    match search.algorithm:
        case "hyperband":
            made: Any = _Hyperband(max_epochs=search.max_epochs, factor=search.factor, **shared)
        case "grid":
            made = _Grid(**shared)
        case "random":
            made = _Random(max_trials=search.max_trials, **shared)
        case "bayesian":
            made = _Bayesian(max_trials=search.max_trials, **shared)
    made.verbose = 0
    # In a small space most of what it draws has been tried already: by default it gives up at the twentieth.
    made._max_collisions = COLLISIONS  # noqa: SLF001
    made.file, made.prune = folder / "oracle.json", prune
    return made


class _Durable:
    """Oracle and trials in one file, written atomically: a kill may cut Keras Tuner's own files short."""

    file: Path
    prune: Callable[[set[str]], None]
    has_chosen_all = False

    def save(self) -> None:
        this: Any = self
        trials = {name: trial.get_state() for name, trial in this.trials.items()}
        write_text(self.file, json.dumps({"oracle": this.get_state(), "trials": trials}))

    def _save_trial(self, trial: Trial) -> None:
        """No-op: Keras Tuner calls :meth:`save` after every call of this."""

    def reload(self) -> None:
        this: Any = self
        if not self.file.exists():
            return
        content = json.loads(self.file.read_text(encoding="utf-8"))
        this.trials = {name: Trial.from_state(state) for name, state in content["trials"].items()}
        this.set_state(content["oracle"])
        if not isinstance(this._retry_queue, list):  # noqa: SLF001
            raise TypeError("retry_queue is no list")
        # Keras Tuner saves an ended trial first, and then takes it from its tuner: a kill may come in between.
        for tuner in [tuner for tuner, trial in this.ongoing_trials.items() if trial.status == "COMPLETED"]:
            del this.ongoing_trials[tuner]

    def heartbeat(self, name: str) -> None:
        """No-op: only a distributed search needs heartbeats."""

    def requeue_all(self) -> None:
        """Queue all trials that were being trained: their process is gone."""
        this: Any = self
        for tuner in list(this.ongoing_trials):
            self.requeue(tuner)

    def requeue(self, tuner: str) -> None:
        """Queue the trial of ``tuner``, which was killed or lost, for the next who asks."""
        this: Any = self
        name = this.ongoing_trials.pop(tuner).trial_id
        # The queue is served from its end: what was started first is the first to go on.
        this._retry_queue = sorted({name, *this._retry_queue}, reverse=True)  # noqa: SLF001
        this.tuner_ids.discard(tuner)

    def scores(self) -> dict[str, float]:
        """The val_accuracy of every trial that has ended."""
        this: Any = self
        return {name: trial.score for name, trial in this.trials.items() if trial.status == "COMPLETED"}

    def create_trial(self, tuner_id: str) -> Trial:
        """As Keras Tuner's, but "IDLE" in place of "STOPPED" while other tuners train: who asks may inherit a trial."""
        this: Any = self
        base: Any = super()
        if self.has_chosen_all and tuner_id not in this.ongoing_trials and not this._retry_queue:  # noqa: SLF001
            # Not asked again: to find a space exhausted takes COLLISIONS draws, seconds.
            trial = Trial(this.get_space(), status="STOPPED")
        else:
            trial = base.create_trial(tuner_id)
        if trial.status == "STOPPED":
            self.has_chosen_all = True
            this.tuner_ids.discard(tuner_id)
            if this.ongoing_trials:
                trial.status = "IDLE"
                # The chief stays until each of these has been told to stop.
                this.tuner_ids.add(tuner_id)
        return trial

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        """As Keras Tuner's, and saved: a worker reports this before the end, and outlives a chief that is killed."""
        base: Any = super()
        trial = base.update_trial(trial_id, metrics, step)
        self.save()
        return trial

    def end_trial(self, trial: Trial) -> None:
        this: Any = self
        # A worker that was taken for lost may end its trial all the same.
        this._retry_queue = [name for name in this._retry_queue if name != trial.trial_id]  # noqa: SLF001
        base: Any = super()
        base.end_trial(trial)
        ended = self.scores().keys()
        # Keras Tuner forgets a bracket as soon as its last trial has begun.
        parents = {
            other.hyperparameters.values.get("tuner/trial_id")
            for name, other in this.trials.items()
            if name not in ended
        }
        self.prune(ended - parents - self._promotable())

    def _promotable(self) -> set[str]:
        return set()


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):  # type: ignore[misc]
    def _promotable(self) -> set[str]:
        """Trials that may still be promoted: the best of each round, minus those whose next round has finished."""
        result: set[str] = set()
        for bracket in self._brackets:
            for number, (round_, following) in enumerate(zip(bracket["rounds"], bracket["rounds"][1:], strict=False)):
                completed = [self.trials[entry["id"]] for entry in round_ if entry["id"] in self.trials]
                completed = [trial for trial in completed if trial.status == "COMPLETED"]
                best = sorted(completed, key=lambda trial: trial.score, reverse=True)
                size = self._get_size(bracket["bracket_num"], number + 1)
                done = {entry["past_id"] for entry in following if self._ended(entry["id"])}
                result |= {trial.trial_id for trial in best[:size]} - done
        return result

    def _ended(self, name: str) -> bool:
        return name in self.trials and self.trials[name].status == "COMPLETED"


class _Grid(_Durable, keras_tuner.oracles.GridSearchOracle):  # type: ignore[misc]
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The combination after that of the latest trial. Keras Tuner's own order of trials is lost with a kill."""
        if self.start_order:
            values = self._get_next_combination(self.trials[self.start_order[-1]].hyperparameters.values)
        else:
            space = self.get_space()
            values = {axis.name: axis.default for axis in space.space if space.is_active(axis)}
        waiting = "IDLE" if self.ongoing_trials else "STOPPED"
        return {"status": "RUNNING" if values else waiting, "values": values}


class _Random(_Durable, keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
    pass


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    def populate_space(self, trial_id: str) -> Any:
        """As Keras Tuner's, but each trial draws from a stream of its own: one that runs on is lost with a kill."""
        self._random_state = np.random.RandomState([self.seed, int(trial_id)])
        return super().populate_space(trial_id)
