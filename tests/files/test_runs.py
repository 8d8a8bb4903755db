from pathlib import Path

import pytest

from pipeline.files.runs import Fold, Run, group_file, leftovers, trials_in_git

DEEP, BASELINE, BROAD = Run("scale", "deep"), Run("baseline", "baseline"), Run("tune", "broad")
SEEDS = (100, 101)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    """Files of these names, with the folders around them."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def make_declared(*runs: Run) -> None:
    """What is written for ``runs`` and SEEDS."""
    for run in runs:
        for seed in SEEDS:
            make(str(run.model(seed)), f"{run.log(seed)}/metrics.json", f"{run.log(seed)}/plots/metrics/val/loss.tsv")
        if run.group == "tune":
            make(str(run.trials), str(run.winner))


def found(group: str, *runs: Run) -> list[str]:
    return [str(path) for path in leftovers(group, runs, SEEDS)]


def test_a_run_keeps_its_files_where_dvc_yaml_has_them() -> None:
    assert [str(path) for path in (DEEP.model(100), DEEP.log(100), DEEP.predictions(100), DEEP.mistakes(100))] == [
        "models/scale/deep/seed-100.keras",
        "logs/scale/deep/seed-100",
        "data/predictions/scale/deep/seed-100.npy",
        "data/predictions/scale/deep/seed-100-mistakes.npy",
    ]
    assert str(DEEP.predictions(100, "val")) == "data/predictions/scale/deep/seed-100-val.npy"
    assert [str(path) for path in (BROAD.trials, BROAD.winner)] == [
        "logs/tune/broad/trials.csv",
        "logs/tune/broad/winner.json",
    ]


def test_a_fold_has_its_model_beside_those_of_all_folds_and_its_log_beside_those_of_its_run() -> None:
    fold = Fold("beyond", "conv", 2, 5)
    assert (str(fold.model(100)), str(fold.log(100))) == ("models/folds/conv/fold-2.keras", "logs/beyond/conv/fold-2")
    assert fold.title == "beyond/conv, fold 2 of 5"


def test_a_fold_that_is_not_declared_is_left_over() -> None:
    run, folds = Run("beyond", "conv"), [Fold("beyond", "conv", number, 2) for number in (1, 2, 3)]
    make_declared(run)
    for fold in folds:
        make(str(fold.model(100)), f"{fold.log(100)}/metrics.json")
    assert found("beyond", run, *folds) == []
    assert found("beyond", run, *folds[:2]) == ["logs/beyond/conv/fold-3"]
    assert found("folds", *folds[:2]) == ["models/folds/conv/fold-3.keras"]


def test_the_only_run_of_a_group_has_no_folder_of_its_own() -> None:
    assert str(BASELINE.model(100)) == "models/baseline/seed-100.keras"
    assert str(BASELINE.log(100)) == "logs/baseline/seed-100"


def test_a_group_has_a_file_of_statistics_and_a_table_of_each_kind() -> None:
    assert str(group_file("scale")) == "metrics/scale.json"
    assert str(group_file("scale", "seeds")) == "metrics/scale-seeds.csv"
    assert str(trials_in_git("broad")) == "metrics/broad-trials.csv"


@pytest.mark.parametrize("run", [DEEP, BASELINE, BROAD], ids=str)
def test_nothing_declared_is_left_over(run: Run) -> None:
    make_declared(run)
    assert found(run.group, run) == []


def test_nothing_is_left_over_before_anything_was_trained() -> None:
    assert found("scale", DEEP) == []


def test_another_seed_is_left_over() -> None:
    make_declared(DEEP, BASELINE)
    make("models/scale/deep/seed-7.keras", "logs/scale/deep/seed-7/metrics.json", "logs/baseline/seed-7/metrics.json")
    assert found("scale", DEEP) == ["logs/scale/deep/seed-7", "models/scale/deep/seed-7.keras"]
    assert found("baseline", BASELINE) == ["logs/baseline/seed-7"]


def test_another_run_is_left_over_as_a_whole() -> None:
    make_declared(DEEP, BROAD, Run("scale", "deeper"), Run("tune", "broader"))
    assert found("scale", DEEP) == ["logs/scale/deeper", "models/scale/deeper"]
    assert found("tune", BROAD) == ["logs/tune/broader", "models/tune/broader"]


def test_a_stray_file_is_left_over_wherever_it_lies() -> None:
    make_declared(DEEP, BASELINE, BROAD)
    make("models/scale/notes.txt", "logs/scale/deep/trials.csv", "models/scale/deep/seed-100.keras.old")
    make("models/baseline/deep/seed-100.keras", "models/tune/broad/winner.json", "logs/tune/broad/.hidden")
    assert found("scale", DEEP) == [
        "logs/scale/deep/trials.csv",
        "models/scale/deep/seed-100.keras.old",
        "models/scale/notes.txt",
    ]
    assert found("baseline", BASELINE) == ["models/baseline/deep"]
    assert found("tune", BROAD) == ["logs/tune/broad/.hidden", "models/tune/broad/winner.json"]


def test_another_group_is_none_of_its_business() -> None:
    make_declared(DEEP, Run("ablation", "other"))
    assert found("scale", DEEP) == []


def test_a_group_without_runs_has_only_leftovers() -> None:
    make_declared(DEEP)
    assert found("scale") == ["logs/scale/deep", "models/scale/deep"]
