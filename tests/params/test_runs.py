"""What each declared run trains: the right values are written down here by hand, from params.yaml."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.params import reading, runs
from pipeline.params.recipe import Recipe
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.params.search import SearchParams
from tests.conftest import ROOT

WINNER = {"layers": 2, "units_1": 8, "units_2": 4, "units_3": 2, "dropout": 0.25, "l2": 3e-3, "learning_rate": 7e-3}
WINNER_BY_LAYER = (
    {"layers": 3, "units_1": 9, "units_2": 7, "units_3": 5, "learning_rate": 6e-3}
    | {"dropout_1": 0.11, "dropout_2": 0.22, "dropout_3": 0.33}
    | {"l2_1": 1e-5, "l2_2": 2e-5, "l2_3": 3e-5}
)


def shipped(rate: float, patience: int | None = None, reduce_lr_patience: int = 0) -> Recipe:
    """A recipe with what all runs of params.yaml share."""
    return Recipe(50, 128, "float32", rate, patience, reduce_lr_patience)


@pytest.mark.parametrize(
    ("group", "name", "network", "recipe"),
    [
        ("baseline", "baseline", DenseNetwork(), shipped(1e-3)),
        ("scale", "shallow", DenseNetwork((128, 64), (0, 0), (0, 0)), shipped(1e-4)),
        ("scale", "deep", DenseNetwork((512, 256, 128, 64), (0,) * 4, (0,) * 4), shipped(1e-4)),
        ("regularise", "regularise", DenseNetwork((256, 128, 64), (1e-5,) * 3, (0, 0.1, 0.1)), shipped(1e-4, 10)),
        ("ablation", "dropout50", DenseNetwork((256, 128, 64), (0,) * 3, (0.5,) * 3), shipped(1e-3, 10)),
        (
            "ablation",
            "joint-l2-1e-4-dropout20-rate-5e-4",
            DenseNetwork((256, 128, 64), (1e-4,) * 3, (0, 0.2, 0.2)),
            shipped(5e-4, 10),
        ),
        (
            "ablation",
            "headline",
            DenseNetwork((1024, 1024, 512, 256), (8.32e-5,) * 4, (0.15,) * 4),
            shipped(1.1e-4, 15),
        ),
        (
            "beyond",
            "final-rate-halved",
            DenseNetwork((512, 1024, 512), (6e-5,) * 3, (0.15, 0.15, 0)),
            shipped(1.1e-4, 15, 3),
        ),
        (
            "beyond",
            "dense-augmented",
            DenseNetwork((1024,) * 3, (0,) * 3, (0,) * 3, normalisation=True, frequencies=16, looks="mirrored-shifted"),
            Recipe(
                epochs=60,
                batch_size=256,
                precision="float32",
                learning_rate=1e-3,
                weight_decay=0.02,
                schedule="cosine",
                warm_up=0.1,
                label_smoothing=0.1,
                flip="random",
                shift=2,
            ),
        ),
        (
            "beyond",
            "conv-5min",
            ConvolutionalNetwork((64, 256, 256), looks="mirrored"),
            Recipe(
                epochs=7,
                batch_size=250,
                precision="mixed_bfloat16",
                learning_rate=0.45,
                optimiser="sgd",
                momentum=0.85,
                weight_decay=1.37e-3,
                bias_rate_factor=64,
                schedule="linear",
                warm_up=0.23,
                final_rate=0.07,
                label_smoothing=0.2,
                flip="alternating",
                shift=2,
                average_every=5,
            ),
        ),
    ],
)
def test_a_run_trains_what_params_yaml_says(group: str, name: str, network: Network, recipe: Recipe) -> None:
    params = reading.load("train", runs.section_of(group), path=ROOT / "params.yaml")
    assert runs.trained(params, Run(group, name)) == (network, recipe)


def winner_json(search: SearchParams, hyperparameters: dict[str, float]) -> dict[str, Any]:
    """What the stage tune writes of a search with this winner."""
    written = {axis: repr(value) for axis, value in hyperparameters.items()}
    return search.model_dump(include={"dropout_after", "max_epochs", "patience"}) | {"hyperparameters": written}


@pytest.mark.parametrize(
    ("name", "winner", "network", "recipe"),
    [
        # The rate of a winner is never halved, though the search final halves that of its trials.
        ("final", WINNER, DenseNetwork((8, 4), (3e-3,) * 2, (0.25, 0.25)), shipped(7e-3, 15)),
        (
            "broad",
            WINNER_BY_LAYER,
            DenseNetwork((9, 7, 5), (1e-5, 2e-5, 3e-5), (0.11, 0.22, 0.33)),
            shipped(6e-3, 10),
        ),
    ],
)
def test_a_search_trains_its_winner(name: str, winner: dict[str, float], network: DenseNetwork, recipe: Recipe) -> None:
    params = reading.load("train", "tune", path=ROOT / "params.yaml")
    found = winner_json(params.tune.searches[name], winner)
    assert runs.trained(reading.load("train", path=ROOT / "params.yaml"), Run("tune", name), found) == (network, recipe)


def test_a_search_without_a_winner_trains_nothing() -> None:
    params = reading.load("train", "tune", path=ROOT / "params.yaml")
    with pytest.raises(ValueError, match="tune/final is a search"):
        runs.trained(params, Run("tune", "final"))


@pytest.fixture
def distinct(tmp_path: Path) -> reading.Params:
    """params.yaml with no value twice: whoever reads another parameter than he should gets another value."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["train"] |= {"epochs": 51, "batch_size": 129, "precision": "mixed_bfloat16"}
    content["baseline"] = {"learning_rate": 0.011}
    content["scale"] = {"learning_rate": 0.012, "architectures": {"own": [31, 32], "other": [33]}}
    content["reg"] = {"units": [41, 42], "l2": 0.13, "dropout": 0.14, "dropout_after": [2], "learning_rate": 0.015}
    content["reg"] |= {"patience": 16, "reduce_lr_patience": 17}
    own = {"l2": 0.21, "dropout": 0.22, "dropout_after": [1], "learning_rate": 0.023}
    own |= {"units": [61, 62, 63], "patience": 24, "reduce_lr_patience": 25}
    shared = {"l2": 0.26, "dropout": 0.27, "dropout_after": "all", "learning_rate": 0.028}
    shared |= {"units": [71, 72], "patience": 29, "reduce_lr_patience": 30}
    partly = {"l2": 0.31, "patience": 32}
    content["ablation"] = shared | {"runs": {"own": own, "shared": {}, "partly": partly}}
    content["tune"] |= {"max_epochs": 53, "patience": 33, "reduce_lr_patience": 34, "dropout_after": [1]}
    searches = content["tune"]["searches"]
    for name in ("broad", "refined"):
        searches[name]["dropout_after"] = "all"
    searches["shared"] = {"algorithm": "grid", "space": searches["final"]["space"]}
    own = {"max_epochs": 52, "patience": 18, "reduce_lr_patience": 19, "max_trials": 91, "dropout_after": [2]}
    searches["final"] |= own
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return reading.load(*reading.SECTIONS, path=path)


@pytest.mark.parametrize(
    ("run", "network", "recipe"),
    [
        (Run("baseline", "baseline"), DenseNetwork(), (51, 0.011, None, 0)),
        (Run("scale", "own"), DenseNetwork((31, 32), (0, 0), (0, 0)), (51, 0.012, None, 0)),
        (Run("regularise", "regularise"), DenseNetwork((41, 42), (0.13,) * 2, (0, 0.14)), (51, 0.015, 16, 17)),
        (Run("ablation", "own"), DenseNetwork((61, 62, 63), (0.21,) * 3, (0.22, 0, 0)), (51, 0.023, 24, 25)),
        (Run("ablation", "shared"), DenseNetwork((71, 72), (0.26,) * 2, (0.27, 0.27)), (51, 0.028, 29, 30)),
        (Run("ablation", "partly"), DenseNetwork((71, 72), (0.31,) * 2, (0.27, 0.27)), (51, 0.028, 32, 30)),
        (Run("tune", "final"), DenseNetwork((8, 4), (3e-3,) * 2, (0, 0.25)), (52, 7e-3, 18, 0)),
        (Run("tune", "shared"), DenseNetwork((8, 4), (3e-3,) * 2, (0.25, 0)), (53, 7e-3, 33, 0)),
    ],
    ids=str,
)
def test_every_parameter_goes_where_it_belongs(
    distinct: reading.Params, run: Run, network: DenseNetwork, recipe: tuple[int, float, int | None, int]
) -> None:
    epochs, *others = recipe
    found = winner_json(distinct.tune.searches[run.name], WINNER) if run.group == "tune" else None
    assert runs.trained(distinct, run, found) == (
        network,
        Recipe(epochs, 129, "mixed_bfloat16", *others),  # type: ignore[arg-type]
    )


BEYOND: dict[str, Any] = {
    "epochs": 61,
    "batch_size": 62,
    "precision": "float32",
    "learning_rate": 0.063,
    "patience": 64,
    "reduce_lr_patience": 0,
    "optimiser": "sgd",
    "momentum": 0.66,
    "weight_decay": 0.67,
    "bias_rate_factor": 6.8,
    "schedule": "linear",
    "warm_up": 0.69,
    "final_rate": 0.71,
    "label_smoothing": 0.72,
    "flip": "alternating",
    "shift": 13,
    "cutout": 14,
    "mixup": 0.75,
    "average_every": 76,
    "average_decay": 0.77,
}


def test_every_parameter_of_a_run_beyond_the_study_goes_where_it_belongs(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    dense = {"network": "dense", "units": [81, 82], "l2": 0.83, "dropout": 0.84, "dropout_after": [2]}
    convolutional = {"network": "convolutional", "widths": [91, 92], "whitening": False, "dropout": 0.93}
    runs_ = {
        "dense": dense | {"normalisation": True, "frequencies": 0, "looks": "mirrored"},
        "bare": dense
        | {"normalisation": False, "residual": True, "frequencies": 9, "looks": "one", "compared_with": "dense"},
        "conv": convolutional | {"looks": "mirrored-shifted"},
    }
    content["beyond"] |= BEYOND | {"runs": runs_}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    params = reading.load("beyond", "train", path=path)
    for name, network in {
        "dense": DenseNetwork((81, 82), (0.83, 0.83), (0, 0.84), normalisation=True, looks="mirrored"),
        "bare": DenseNetwork((81, 82), (0.83, 0.83), (0, 0.84), normalisation=False, residual=True, frequencies=9),
        "conv": ConvolutionalNetwork((91, 92), 0.93, whitening=False, looks="mirrored-shifted"),
    }.items():
        assert runs.trained(params, Run("beyond", name)) == (network, Recipe(**BEYOND))
    assert set(BEYOND) == {field.name for field in fields(Recipe)}


def test_the_declared_runs_are_those_of_params_yaml(distinct: reading.Params) -> None:
    declared = runs.declared(distinct)
    assert list(declared) == ["baseline", "scale", "regularise", "ablation", "tune", "beyond"]
    assert [str(run) for group in ("baseline", "scale", "regularise", "ablation") for run in declared[group]] == [
        "baseline/baseline",
        "scale/own",
        "scale/other",
        "regularise/regularise",
        "ablation/own",
        "ablation/shared",
        "ablation/partly",
    ]
    assert {run.name for run in declared["tune"]} == {"broad", "refined", "focused", "final", "shared"}


def test_a_run_or_group_that_is_not_declared_is_refused(distinct: reading.Params) -> None:
    assert runs.find(distinct, "scale", "own") == Run("scale", "own")
    with pytest.raises(UserError, match="no run 'wide'; allowed: own, other"):
        runs.find(distinct, "scale", "wide")
    with pytest.raises(
        UserError, match="no group 'scales'; allowed: baseline, scale, regularise, ablation, tune, beyond"
    ):
        runs.section_of("scales")


def test_a_seed_is_one_of_train_seeds(distinct: reading.Params) -> None:
    assert runs.seed_of(distinct.train, "101") == 101
    for word in ("103", "0101", "1e2", "101.0", " 101", "-100", "", "100,101"):
        with pytest.raises(UserError) as caught:
            runs.seed_of(distinct.train, word)
        assert str(caught.value) == f"no seed {word!r}; allowed by train.seeds: 100, 101, 102"
