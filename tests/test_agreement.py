import numpy as np
import pytest

from pipeline.common.agreement import agreement, prediction_interval
from pipeline.common.metrics import over_seeds
from pipeline.common.results import Results
from pipeline.common.runs import Run
from pipeline.common.study import Section

A, B, C = (Run("ablation", name) for name in "abc")


def measured(**accuracies: list[float]) -> Results:
    tested = {
        Run("ablation", name): over_seeds([{"accuracy": v} for v in values]) for name, values in accuracies.items()
    }
    return Results((100, 101, 102), {}, tested, {}, [])


def test_one_more_seed_lies_within_its_interval_as_often_as_promised() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.05, (4000, 4))
    hits = 0
    for *seeds, another in draws:
        low, high = prediction_interval(over_seeds([{"accuracy": seed} for seed in seeds])["accuracy"]) or (0, 0)
        hits += low <= another <= high
    assert hits / len(draws) == pytest.approx(0.95, abs=0.015)


def test_contradictions_are_named_with_what_one_more_seed_would_give_and_all_are_counted() -> None:
    section = Section("a", "Study A", {A: {"accuracy": 0.51}, B: {"accuracy": 0.56}, C: {}})
    text = agreement([section], measured(a=[0.50, 0.51, 0.52], b=[0.50, 0.51, 0.52], c=[0.1, 0.2, 0.3]))
    assert "Study A, b: 0.5100 ± 0.0100, reported 0.5600; one more seed: 0.4603 to 0.5597." in text
    assert "Study A, a" not in text
    assert "Of the 2 rows" in text
    assert ", 1 have" in text


def test_one_seed_tells_the_difference_and_nothing_of_the_spread() -> None:
    section = Section("a", "Study A", {A: {"accuracy": 0.51}, B: {"accuracy": 0.56}})
    text = agreement([section], measured(a=[0.51], b=[0.51]))
    assert text == "- Study A, b: 0.5100, reported 0.5600."
    assert agreement([Section("a", "Study A", {A: {"accuracy": 0.51}})], measured(a=[0.51])) == "None."


def test_seeds_that_agree_leave_room_for_no_other() -> None:
    section = Section("a", "Study A", {A: {"accuracy": 0.1}})
    assert ", 1 have" in agreement([section], measured(a=[0.1, 0.1, 0.1]))
    assert ", 0 have" in agreement([section], measured(a=[0.105, 0.105, 0.105]))
