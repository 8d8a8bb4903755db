"""What Keras Tuner's oracles choose, with scores made up instead of trained."""

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.search.oracles import OBJECTIVE, oracle
from tests.params.changed import load


def choose(chooser: Any) -> dict[str, dict[str, Any]]:
    """Serve one worker to the end; the values of every trial by its name."""
    scores = random.Random(0)
    found = {}
    while (trial := chooser.create_trial("tuner0")).status != "STOPPED":
        found[trial.trial_id] = dict(trial.hyperparameters.values)
        chooser.update_trial(trial.trial_id, {OBJECTIVE: scores.random()}, step=1)
        trial.status = "COMPLETED"
        chooser.end_trial(trial)
    return found


def test_hyperband_finds_all_its_trials_in_a_space_that_hardly_holds_them(tmp_path: Path) -> None:
    rates = [1e-4 * step for step in range(1, 9)]
    search = load(tmp_path, "final", algorithm="hyperband", axis_learning_rate=rates, axis_dropout=[0.1, 0.2, 0.3, 0.4])
    assert search.combinations == 64
    found = choose(oracle(search, tmp_path, lambda names: None))
    assert len(found) == 90
    fresh = [values for values in found.values() if "tuner/trial_id" not in values]
    assert len({tuple(sorted(_own(values).items())) for values in fresh}) == len(fresh) == 62


def _own(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


@pytest.mark.parametrize("content", ["cut short", "", "[]", "{}", "3", "null"])
def test_a_damaged_state_is_said_and_the_same_trials_are_chosen_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    search = load(tmp_path, "final")
    chosen = choose(oracle(search, tmp_path, lambda names: None))
    file = tmp_path / "oracle.json"
    file.write_bytes(file.read_bytes()[:-10] if content == "cut short" else content.encode())
    assert choose(oracle(search, tmp_path, lambda names: None)) == chosen
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {tmp_path} is damaged")
    assert said.count("\n") == 1


def test_both_ends_of_a_range_are_drawn(tmp_path: Path) -> None:
    search = load(tmp_path, "refined")
    found = choose(oracle(search, tmp_path, lambda names: None))
    assert {0.05, 0.5} <= {values["dropout_2"] for values in found.values()}
    assert {values["units_1"] for values in found.values()} == {256, 512, 1024}


@pytest.mark.parametrize("algorithm", ["grid", "random"])
def test_no_combination_is_tried_twice(tmp_path: Path, algorithm: str) -> None:
    search = load(tmp_path, "final", algorithm=algorithm, max_trials=8)
    found = choose(oracle(search, tmp_path, lambda names: None))
    assert len({tuple(sorted(values.items())) for values in found.values()}) == len(found) == 8


def test_a_trial_that_ends_after_its_worker_was_taken_for_lost_is_not_trained_again(tmp_path: Path) -> None:
    search = load(tmp_path, "final")
    chooser = oracle(search, tmp_path, lambda names: None)
    trial = chooser.create_trial("worker-1")
    chooser.requeue("worker-1")
    chooser.update_trial(trial.trial_id, {OBJECTIVE: 0.5}, step=1)
    trial.status = "COMPLETED"
    chooser.end_trial(trial)
    assert trial.trial_id not in choose(chooser)


def test_a_chief_that_starts_again_leaves_ongoing_trials_to_their_workers(tmp_path: Path) -> None:
    search = load(tmp_path, "final")
    ongoing = oracle(search, tmp_path, lambda names: None).create_trial("worker-1")
    again = oracle(search, tmp_path, lambda names: None)
    assert again.create_trial("worker-2").trial_id != ongoing.trial_id
    assert again.create_trial("worker-1").trial_id == ongoing.trial_id


def test_what_a_trial_reached_is_not_lost_with_the_chief(tmp_path: Path) -> None:
    search = load(tmp_path, "final")
    chooser = oracle(search, tmp_path, lambda names: None)
    trial = chooser.create_trial("worker-1")
    chooser.update_trial(trial.trial_id, {OBJECTIVE: 0.5}, step=1)
    trial.status = "COMPLETED"
    again = oracle(search, tmp_path, lambda names: None)
    again.end_trial(trial)
    assert again.trials[trial.trial_id].score == 0.5


def test_no_checkpoint_is_pruned_that_a_trial_may_still_begin_from(tmp_path: Path) -> None:
    """Three workers train side by side; one is slow, so that others end, and prune, while it goes on."""
    pruned: set[str] = set()
    search = load(tmp_path, "broad", max_epochs=9, factor=3)
    chooser: Any = oracle(search, tmp_path, pruned.update)
    running: dict[str, Any] = {}
    scores, promoted = random.Random(0), 0
    for turn in range(10_000):
        tuner = f"worker-{turn % 3}"
        if tuner in running and (turn % 3 or turn % 7 == 0):
            trial = running.pop(tuner)
            parent = trial.hyperparameters.values.get("tuner/trial_id")
            assert parent not in pruned
            assert trial.trial_id not in pruned
            promoted += parent is not None
            chooser.update_trial(trial.trial_id, {OBJECTIVE: scores.random()}, step=1)
            trial.status = "COMPLETED"
            chooser.end_trial(trial)
        elif tuner not in running:
            trial = chooser.create_trial(tuner)
            if trial.status == "STOPPED":
                break
            if trial.status == "RUNNING":
                running[tuner] = trial
    assert promoted > 5
    assert pruned == set(chooser.trials) == set(chooser.scores())
