"""Which folds params.yaml declares, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.files.errors import UserError
from pipeline.files.runs import Fold, Run
from pipeline.params import reading, runs
from tests.conftest import ROOT

CONV = [{"group": "beyond", "run": "conv-5min", "fold": fold, "of": 2} for fold in (1, 2)]
DENSE = [{"group": "ablation", "run": "l2-1e-5", "fold": fold, "of": 3} for fold in (1, 2, 3)]


def entries(*folds: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """An entry each under the name it should have, with ``changes`` by that name, - and _ alike."""
    named = {f"{fold['run']}-{fold['fold']}": fold for fold in folds}
    return {name: fold | changes.get(name.replace("-", "_"), {}) for name, fold in named.items()}


def load(folder: Path, folds: Any, *sections: reading.SectionName) -> reading.Params:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["folds"] = folds
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return reading.load(*sections or reading.SECTIONS, path=path)


def test_each_entry_is_a_fold_of_a_run(tmp_path: Path) -> None:
    params = load(tmp_path, entries(*CONV, *DENSE))
    assert runs.folds_of(params, "beyond") == [Fold("beyond", "conv-5min", number, 2) for number in (1, 2)]
    assert runs.folds_of(params, "ablation") == [Fold("ablation", "l2-1e-5", number, 3) for number in (1, 2, 3)]
    assert runs.folds_of(params, "scale") == []
    assert runs.folds(params) == [*runs.folds_of(params, "beyond"), *runs.folds_of(params, "ablation")]


def test_a_fold_trains_what_its_run_trains(tmp_path: Path) -> None:
    params = load(tmp_path, entries(*CONV, *DENSE))
    for run, number in (("conv-5min", "2"), ("l2-1e-5", "3")):
        fold = runs.find_fold(params, run, number)
        assert (fold.name, str(fold.number)) == (run, number)
        assert runs.trained(params, fold) == runs.trained(params, Run(fold.group, run))


def test_there_may_be_no_folds(tmp_path: Path) -> None:
    params = load(tmp_path, {})
    assert runs.folds(params) == runs.folds_of(params, "beyond") == []
    with pytest.raises(UserError, match="no fold '1' of a run 'conv-5min'; allowed by folds: none"):
        runs.find_fold(params, "conv-5min", "1")


def test_the_folds_that_stand_there_are_five_of_the_studys_choice_and_five_of_the_convolutional_network() -> None:
    params = reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")
    choice = Run("ablation", "joint-l2-1e-4-dropout10-rate-1e-4"), Run("beyond", "conv-5min")
    assert runs.folds(params) == [Fold(run.group, run.name, number, 5) for run in choice for number in range(1, 6)]


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (entries(CONV[0]), "conv-5min-2 is missing: conv-5min has 2 folds"),
        (entries(CONV[1]), "conv-5min-1 is missing: conv-5min has 2 folds"),
        ({"conv-1": CONV[0], "conv-5min-2": CONV[1]}, "conv-1 is fold 1 of conv-5min; allowed: the name conv-5min-1"),
        (
            {"conv-5min-1": CONV[1], "conv-5min-2": CONV[0]},
            "conv-5min-1 is fold 2 of conv-5min; allowed: the name conv-5min-2",
        ),
        (entries(*CONV, CONV[0] | {"fold": 3}), "conv-5min-3.fold is 3; allowed: 1 to 2"),
        (entries(*CONV, conv_5min_2={"of": 3}), "conv-5min-2.of is 3; allowed: 2, as in conv-5min-1"),
        (
            entries(*CONV, conv_5min_2={"group": "ablation"}),
            "conv-5min-2.group is ablation; allowed: beyond, as in conv-5min-1",
        ),
        (entries(*CONV, conv_5min_1={"group": "scale"}), "conv-5min-1.group is scale; allowed: 'ablation' or 'beyond'"),
        (entries(*CONV, conv_5min_1={"of": 1}), "conv-5min-1.of is 1; allowed: greater than or equal to 2"),
        (entries(*CONV, conv_5min_1={"fold": 0}), "conv-5min-1.fold is 0; allowed: greater than or equal to 1"),
        (entries(*CONV, conv_5min_1={"fold": "two"}), "conv-5min-1.fold is two; allowed: a number"),
    ],
)
def test_folds_that_do_not_fit_together_are_refused_in_one_line(
    tmp_path: Path, folds: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, folds)
    assert str(caught.value) == f"{tmp_path}/params.yaml: folds.{message}"
    # A stage that reads no folds is not hindered, and one that reads them beside a wrong section is neither.
    assert load(tmp_path, folds, "train").train.epochs == 50


def test_a_wrong_value_elsewhere_hinders_no_fold(tmp_path: Path) -> None:
    load(tmp_path, entries(*CONV))
    path = tmp_path / "params.yaml"
    path.write_text(path.read_text().replace("epochs: 50", "epochs: many", 1))
    assert runs.folds(reading.load("folds", path=path)) == [Fold("beyond", "conv-5min", n, 2) for n in (1, 2)]


def test_an_unknown_key_of_a_fold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown parameter folds\.conv-5min-1\.fodl; allowed here: group, run, fold"):
        load(tmp_path, entries(*CONV, conv_5min_1={"fodl": 1}), "train")


def test_a_fold_of_no_declared_run_is_refused_by_the_stages_of_its_group_alone(tmp_path: Path) -> None:
    params = load(tmp_path, entries(*CONV, *({"group": "ablation", "run": "x", "fold": n, "of": 2} for n in (1, 2))))
    assert len(runs.folds_of(params, "beyond")) == 2
    with pytest.raises(UserError, match=r"params\.yaml: folds\.x-1\.run is x; allowed: dropout30, dropout50, "):
        runs.folds_of(params, "ablation")


@pytest.mark.parametrize("words", [("conv-5min", "3"), ("conv-5min", "01"), ("conv", "1"), ("conv-5min", "")])
def test_a_fold_that_is_not_declared_is_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    params = load(tmp_path, entries(*CONV))
    with pytest.raises(UserError) as caught:
        runs.find_fold(params, *words)
    expected = f"no fold {words[1]!r} of a run {words[0]!r}; allowed by folds: conv-5min 1, conv-5min 2"
    assert str(caught.value) == expected


def test_runs_that_are_compared_with_another_are_told(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    whole = {name: run for name, run in content["beyond"]["runs"].items() if "compared_with" not in run}
    content["beyond"]["runs"] = whole | {"no-flips": {"flip": "none", "compared_with": "dense-augmented"}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    params = reading.load("beyond", path=path)
    assert runs.compared(params) == {Run("beyond", "no-flips"): Run("beyond", "dense-augmented")}


def test_each_committed_row_differs_from_its_base_run_in_its_part_alone() -> None:
    params = reading.load("beyond", path=ROOT / "params.yaml")
    committed = runs.compared(params)
    assert set(committed.values()) == {Run("beyond", "dense-augmented"), Run("beyond", "conv-5min")}
    assert {run.name: runs.differences(params, run) for run in committed} == {
        "dense-unaugmented": {"flip": ("none", "random"), "shift": (0, 2)},
        "dense-pixels": {"frequencies": (0, 16)},
        "dense-unnormalised": {"normalisation": (False, True)},
        "dense-constant-rate": {"schedule": ("constant", "cosine"), "warm_up": (0, 0.1)},
        "dense-unsmoothed": {"label_smoothing": (0, 0.1)},
        "conv-unaugmented": {"flip": ("none", "alternating"), "shift": (0, 2)},
        "conv-random-flip": {"flip": ("random", "alternating")},
        "conv-unsmoothed": {"label_smoothing": (0, 0.2)},
        "conv-constant-rate": {"schedule": ("constant", "linear"), "warm_up": (0, 0.23), "final_rate": (0, 0.07)},
        "conv-unaveraged": {"average_every": (0, 5)},
        "conv-unwhitened": {"whitening": (False, True)},
        "conv-even-biases": {"bias_rate_factor": (1, 64)},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compared_with": "conv-5min"}, "compared_with is 'conv-5min'; allowed: empty, each of runs has its own"),
        (
            {"runs": {"ensemble": {}}},
            "runs has the name 'ensemble', which metrics/beyond.json needs; allowed: any other",
        ),
        (
            {"runs": {"a": {}, "b": {"compared_with": "a"}, "c": {"compared_with": "b"}}},
            "runs.c.compared_with is 'b'; allowed: a",
        ),
        ({"runs": {"a": {}, "b": {"compared_with": "x"}}}, "runs.b.compared_with is 'x'; allowed: a"),
        ({"runs": {"a": {"compared_with": "a"}, "b": {}}}, "runs.a.compared_with is 'a'; allowed: b"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["beyond"] |= changes
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(UserError) as caught:
        reading.load("beyond", path=path)
    assert str(caught.value) == f"{path}: beyond.{message}"
