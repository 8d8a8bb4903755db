"""Spaces as data: what is accepted, what is refused in one line, and what Hyperband makes of it."""

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.files.errors import UserError
from pipeline.params.search import rungs
from tests.params.changed import load


def test_the_spaces_are_those_of_the_study(tmp_path: Path) -> None:
    assert load(tmp_path, "broad").layers == [2, 3, 4]
    assert load(tmp_path, "refined").layers == [3, 4, 5]
    assert math.isinf(load(tmp_path, "focused").combinations)
    assert load(tmp_path, "final").combinations == 8
    assert load(tmp_path, "broad").space["units_4"].values == (128, 256, 512)
    assert load(tmp_path, "refined").space["units_1"].values == (256, 512, 1024)
    assert load(tmp_path, "refined").space["units_5"].values == (128, 256, 512, 1024)
    assert load(tmp_path, "focused").space["units_2"].values == (256, 512, 1024)


def test_hyperbands_rungs_are_keras_tuners() -> None:
    found = rungs(50, 3)
    assert sum(trials for _, trials, _ in found) == 90
    assert [(trials, epochs) for _, trials, epochs in found[:4]] == [(34, 2), (12, 6), (4, 17), (2, 50)]


def test_combinations_count_only_the_layers_that_exist(tmp_path: Path) -> None:
    changes = {"axis_layers": [1, 2], "axis_units_1": [1, 2], "axis_units_2": [1, 2, 3], "axis_units_3": None}
    search = load(tmp_path, "final", **changes, axis_dropout=[0], axis_l2=[0], axis_learning_rate=[0.1])
    assert search.combinations == 2 + 6


def test_a_range_in_steps_has_both_its_ends(tmp_path: Path) -> None:
    space = load(tmp_path, "refined").space
    assert space["dropout_2"].values == (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
    whole = load(tmp_path, "final", axis_units_1={"min": 7, "max": 9})
    assert whole.space["units_1"].values == (7, 8, 9)
    assert whole.combinations == 24


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ({"min": 1e-7, "max": 1e-4, "factor": 10}, (1e-7, 1e-6, 1e-5, 1e-4)),
        ({"min": 100, "max": 799, "factor": 2}, (100, 200, 400)),
        ({"min": 100, "max": 800, "factor": 2}, (100, 200, 400, 800)),
        ({"min": 0.1, "max": 0.1, "factor": 2}, (0.1,)),
        ({"min": 1, "max": 4, "factor": 1.5}, (1, 1.5, 2.25, 3.375)),
    ],
)
def test_a_range_with_a_factor_has_its_powers_up_to_max(
    tmp_path: Path, axis: dict[str, float], values: tuple[float, ...]
) -> None:
    search = load(tmp_path, "final", axis_l2=axis)
    assert search.space["l2"].values == values
    assert search.combinations == 4 * len(values)


def test_a_range_of_widths_with_a_factor_has_no_steps(tmp_path: Path) -> None:
    search = load(tmp_path, "final", axis_units_1={"min": 128, "max": 1024, "factor": 2})
    assert search.space["units_1"].values == (128, 256, 512, 1024)
    assert search.combinations == 32


def test_steps_below_a_billionth_are_told_apart(tmp_path: Path) -> None:
    space = load(tmp_path, "final", axis_l2={"min": 0, "max": 3e-13, "step": 1e-13}).space
    assert space["l2"].values == (0, 1e-13, 2e-13, 3e-13)


def test_an_axis_without_effect_may_have_one_value(tmp_path: Path) -> None:
    assert load(tmp_path, "final", dropout_after=[], axis_dropout=[0]).combinations == 4


def test_a_search_takes_from_the_section_what_it_does_not_name(tmp_path: Path) -> None:
    search = load(tmp_path, "focused")
    assert (search.algorithm, search.seed, search.max_epochs, search.factor) == ("hyperband", 100, 50, 3)
    assert (search.max_trials, search.reduce_lr_patience, search.dropout_after) == (90, 0, "all")
    assert search.patience == 15
    final = load(tmp_path, "final")
    assert (final.algorithm, final.patience, final.reduce_lr_patience, final.dropout_after) == ("grid", 15, 10, (1, 2))
    assert (final.seed, final.max_epochs) == (100, 50)


@pytest.mark.parametrize(
    ("search", "changes", "message"),
    [
        (
            "broad",
            {"algorithm": "annealing"},
            "tune.searches.broad.algorithm is annealing; allowed: 'hyperband', 'grid'",
        ),
        ("broad", {"axis_units_1": []}, "allowed: a list of at least one number"),
        (
            "broad",
            {"axis_l2_1": {"min": 1e-3, "max": 1e-5}},
            "space.l2_1.min is 0.001; allowed: up to max, which is 1e-05",
        ),
        (
            "broad",
            {"axis_l2_1": {"min": 0, "max": 1, "sampling": "log"}},
            "l2_1.min is 0; allowed where sampling is log: above 0",
        ),
        ("broad", {"axis_dropout_1": {"min": 0.1, "max": 1.5}}, "dropout_1 goes from 0.1 to 1.5; allowed: 0 to 0.99"),
        ("broad", {"axis_units_1": [12.5]}, "units_1 has a fraction; allowed: whole numbers"),
        ("broad", {"axis_units_4": None}, "space.units_4 is missing, and layers goes up to 4"),
        (
            "broad",
            {"axis_dropout": [0.1]},
            "dropout and dropout_1 are both there or both missing; allowed: one of them",
        ),
        (
            "broad",
            {"axis_momentum": [0.1]},
            "unknown parameter tune.searches.broad.space.momentum; allowed here: layers",
        ),
        ("broad", {"space": {}}, "space.layers is missing"),
        ("broad", {"axis_learning_rate": None}, "space.learning_rate is missing"),
        ("final", {"algorithm": "hyperband"}, "space has 8 combinations; allowed with algorithm hyperband"),
        ("final", {"algorithm": "hyperband"}, "max_epochs 50 and factor 3: at least 62; algorithm grid tries them all"),
        ("broad", {"algorithm": "grid"}, "space.l2_1 has no step; allowed with algorithm grid: lists and steps"),
        ("broad", {"factor": 1}, "tune.searches.broad.factor is 1"),
        ("final", {"axis_dropout": [0.15, 0.15, 0.2]}, "values that differ from each other"),
        (
            "broad",
            {"axis_units_1": {"min": 128, "max": 512, "sampling": "log"}},
            "units_1 has sampling log; allowed: a list, or steps",
        ),
        (
            "broad",
            {"axis_l2_1": {"min": 0, "max": 1, "factor": 2}},
            "l2_1.factor is 2; allowed with a min above 0, without step and sampling",
        ),
        ("broad", {"axis_l2_1": {"min": 1, "max": 8, "factor": 2, "step": 1}}, "l2_1.factor is 2; allowed with a min"),
        ("broad", {"axis_l2_1": {"min": 0.1, "max": 0.2, "step": 5}}, "l2_1.step is 5; allowed from 0.1 to 0.2: not"),
        (
            "broad",
            {"axis_l2_1": {"min": 1, "max": 8, "factor": 2, "sampling": "log"}},
            "l2_1.factor is 2; allowed with a min above 0, without step and sampling",
        ),
        (
            "broad",
            {"axis_l2_1": {"min": 1, "max": 8, "factor": 1}},
            "l2_1.factor is 1; allowed: greater than 1",
        ),
        ("broad", {"axis_units_1": {"min": 5, "max": 20, "factor": 1.5}}, "units_1 has a fraction"),
        ("broad", {"patiense": 5}, "unknown parameter tune.searches.broad.patiense; allowed here: algorithm, seed"),
        ("broad", {"axis_units": [128]}, "unknown parameter tune.searches.broad.space.units; allowed here: layers"),
        ("broad", {"axis_layers_1": [2]}, "unknown parameter tune.searches.broad.space.layers_1; allowed here: layers"),
        ("broad", {"dropout_after": [1, 9]}, "broad.dropout_after is [1, 9]; allowed: all, or layers from 1 to 4"),
        (
            "broad",
            {"axis_l2_1": {"min": 0, "max": 1, "step": 2e-12}},
            "l2_1 has 500000000001 values; allowed: up to 10000",
        ),
        ("broad", {"axis_l2_1": {"min": 1, "max": 2, "factor": 1.000000001}}, "l2_1 has 693147124 values; allowed: up"),
        ("broad", {"axis_units_1": {"min": 1, "max": 2**20}}, "units_1 has 1048576 values; allowed: up to 10000"),
        ("broad", {"axis_layers": {"min": 1, "max": 4, "step": 1e-12}}, "layers has 3000000000001 values; allowed: up"),
        ("broad", {"axis_l2_1": {"min": 1, "max": 1 + 1e-13, "step": 1e-14}}, "l2_1 has values that are equal in 12"),
        ("broad", {"axis_units_5": [8]}, "units_5 is of a layer that no network has; allowed: layers from 1 to 4"),
        ("broad", {"axis_dropout_7": {"min": 0, "max": 0.5}}, "dropout_7 is of a layer that no network has"),
        ("broad", {"axis_units_01": [8]}, "unknown parameter tune.searches.broad.space.units_01; allowed here: layers"),
        (
            "broad",
            {"dropout_after": [1, 2, 4]},
            "space.dropout_3 has several values for layers without dropout, because",
        ),
        ("final", {"dropout_after": []}, "space.dropout has several values for layers without dropout, because"),
        ("final", {"axis_dropout": [0.5, 0.999]}, "dropout goes from 0.5 to 0.999; allowed: 0 to 0.99"),
        (
            "final",
            {"axis_l2": [1e-5, 1e39]},
            "space.l2 is [1e-05, 1e+39]; allowed: 0, or a number from 1.2e-38 to 3.4e+38",
        ),
        ("broad", {"axis_l2_1": {"min": 1e-50, "max": 1}}, "l2_1.min is 1e-50; allowed: 0, or a number from 1.2e-38"),
        ("final", {"axis_learning_rate": [0]}, "learning_rate goes from 0 to 0; allowed: 1e-12 or more"),
        (
            "broad",
            {"axis_l2_1": {"min": 1e-7, "max": 1e-4, "smapling": "log"}},
            "space.l2_1.smapling; allowed here: min, max, step, factor, sampling",
        ),
    ],
)
def test_a_bad_search_is_refused_in_one_line(
    tmp_path: Path, search: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, search, **changes)
    assert f"tune.searches.{search}" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
