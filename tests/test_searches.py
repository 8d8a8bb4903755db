"""Spaces as data: what is accepted, what is refused in one line, and what Hyperband makes of it."""

import math
from typing import Any

import pytest
import yaml

from pipeline.common import params, searches
from pipeline.common.command import UserError
from tests.conftest import ROOT

DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def load(tmp_path: Any, search: str, **changes: Any) -> params.Params:
    """params.yaml with ``changes`` in one search; a name with a dot is of its space, None removes it."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    section = content["tune"]["searches"][search]
    for name, value in changes.items():
        target, leaf = (section["space"], name[5:]) if name.startswith("axis_") else (section, name)
        if value is None:
            del target[leaf]
        else:
            target[leaf] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return params.load(path)


def test_the_spaces_are_those_of_the_study(tmp_path: Any) -> None:
    declared = load(tmp_path, "broad").tune.searches
    assert declared["broad"].layers == [2, 3, 4]
    assert declared["refined"].layers == [3, 4, 5]
    assert math.isinf(declared["focused"].combinations)
    assert declared["final"].combinations == 8


def test_hyperbands_rungs_are_keras_tuners() -> None:
    rungs = searches.rungs(50, 3)
    assert sum(trials for _, trials, _ in rungs) == 90
    assert [(trials, epochs) for _, trials, epochs in rungs[:4]] == [(34, 2), (12, 6), (4, 17), (2, 50)]


def test_combinations_count_only_the_layers_that_exist(tmp_path: Any) -> None:
    changes = {"axis_layers": [1, 2], "axis_units_1": [1, 2], "axis_units_2": [1, 2, 3]}
    search = load(tmp_path, "final", **changes, axis_dropout=[0], axis_l2=[0], axis_learning_rate=[0.1]).tune
    assert search.searches["final"].combinations == 2 + 6


def test_a_range_in_steps_has_both_its_ends(tmp_path: Any) -> None:
    space = load(tmp_path, "refined").tune.searches["refined"].space
    assert space["dropout_2"].values == (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
    whole = load(tmp_path, "final", axis_units_1={"min": 7, "max": 9}).tune.searches["final"]
    assert whole.space["units_1"].values == (7, 8, 9)
    assert whole.combinations == 24


@pytest.mark.parametrize(
    ("search", "changes", "message"),
    [
        (
            "broad",
            {"algorithm": "annealing"},
            "tune.searches.broad.algorithm is annealing; allowed: 'hyperband', 'grid'",
        ),
        ("broad", {"axis_units_1": []}, "allowed: a list of at least one number"),
        ("broad", {"axis_l2_1": {"min": 1e-3, "max": 1e-5}}, "min up to max, not 0.001 up to 1e-05"),
        ("broad", {"axis_l2_1": {"min": 0, "max": 1, "sampling": "log"}}, "a min above 0 where sampling is log, not 0"),
        ("broad", {"axis_dropout_1": {"min": 0.1, "max": 1.5}}, "dropout_1 from 0 to 0.99, not 0.1 to 1.5"),
        ("broad", {"axis_units_1": [12.5]}, "whole numbers for units_1"),
        ("broad", {"axis_units_4": None}, "a space with the axis units_4"),
        ("broad", {"axis_dropout": [0.1]}, "either the axis dropout or dropout_1"),
        ("broad", {"axis_momentum": [0.1]}, "not momentum"),
        ("broad", {"space": {}}, "a space with the axis layers"),
        ("final", {"algorithm": "hyperband"}, "at least 62 combinations, not 8; algorithm grid tries them all"),
        ("broad", {"algorithm": "grid"}, "has no step"),
        ("broad", {"factor": 1}, "tune.searches.broad.factor is 1"),
        ("final", {"axis_dropout": [0.15, 0.15, 0.2]}, "values that differ from each other"),
        ("broad", {"axis_units_1": {"min": 128, "max": 512, "sampling": "log"}}, "a list or steps for units_1"),
        ("broad", {"axis_units": [128]}, "not units"),
        ("broad", {"axis_layers_1": [2]}, "not layers_1"),
        ("broad", {"dropout_after": [1, 9]}, "dropout_after all, or layers from 1 to 4, not [1, 9]"),
        (
            "broad",
            {"axis_l2_1": {"min": 1e-7, "max": 1e-4, "smapling": "log"}},
            "space.l2_1.smapling; allowed here: min, max, step, sampling",
        ),
    ],
)
def test_a_bad_search_is_refused_in_one_line(tmp_path: Any, search: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, search, **changes)
    assert f"tune.searches.{search}" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
