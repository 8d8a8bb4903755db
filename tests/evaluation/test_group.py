"""The scores of a group against numpy and numbers written down by hand."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import f1_score

from pipeline.evaluation import group
from pipeline.evaluation.ensemble import chosen
from pipeline.evaluation.group import SeedScores
from pipeline.evaluation.inference import Predictions
from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import write_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Fold, Run

RUN = Run("scale", "deep")
NAMES = ["cat", "dog", "emu"]
LABELS = np.array([0, 1, 2, 0], np.uint8)
# The ensemble is right of every image, and every seed is wrong of one or more. Most seeds are wrong of image 0, so that
# a vote would be, too; of image 3 the product of probabilities would be wrong.
PROBABILITIES = {
    100: [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4], [0.900, 0.100, 0.0]],
    101: [[0.4, 0.6, 0.0], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.900, 0.100, 0.0]],
    102: [[0.4, 0.6, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.001, 0.999, 0.0]],
}
METRICS = {
    100: {
        "val": {"accuracy": 0.50, "loss": 1.50, "precision": 0.51, "f1": 0.49},
        "train": {"accuracy": 0.60, "loss": 1.20},
        "epochs": 10,
        "best_epoch": 4,
        "multiply_adds": 1000,
        "parameters": 30,
    },
    101: {
        "val": {"accuracy": 0.52, "loss": 1.40, "precision": 0.53, "f1": 0.48},
        "train": {"accuracy": 0.70, "loss": 1.00},
        "epochs": 12,
        "best_epoch": 6,
        "multiply_adds": 1200,
        "parameters": 30,
    },
    102: {
        "val": {"accuracy": 0.57, "loss": 1.30, "precision": 0.58, "f1": 0.56},
        "train": {"accuracy": 0.71, "loss": 0.90},
        "epochs": 17,
        "best_epoch": 11,
        "multiply_adds": 1700,
        "parameters": 30,
    },
}
CURVES = {"train/loss": 2.0, "train/accuracy": 0.3, "val/loss": 2.5, "val/accuracy": 0.2}


def probabilities(seed: int) -> npt.NDArray[np.float32]:
    return np.array(PROBABILITIES[seed], np.float32)


@pytest.fixture
def seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SeedScores]:
    """The scores of three seeds, read from logs of two epochs as dvclive writes them."""
    monkeypatch.chdir(tmp_path)
    for seed, metrics in METRICS.items():
        for curve, value in CURVES.items():
            path = RUN.log(seed) / f"plots/metrics/{curve}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"step\t{path.stem}\n1\t{value}\n2\t{value + seed}\n")
        (RUN.log(seed) / "metrics.json").write_text(json.dumps(metrics))
    return [group.score_seed(RUN, seed, LABELS, probabilities(seed), NAMES) for seed in METRICS]


def near(mean: float, std: float) -> tuple[object, int, object]:
    return pytest.approx(mean), 3, pytest.approx(std)


def parts(statistic: Statistic) -> tuple[float, int, float | None]:
    return statistic.mean, statistic.n, statistic.std


def test_a_seed_is_scored_by_its_most_probable_classes(seeds: list[SeedScores]) -> None:
    # Of the four images seed 100 has the first, second and fourth right, and names the third a cat.
    first = seeds[0]
    assert (first.run, first.seed, first.metrics) == (RUN, 100, METRICS[100])
    assert first.test["accuracy"] == 0.75
    assert first.classes["cat"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 1,
        "f1": pytest.approx(0.8),
        "images": 2,
    }
    assert first.classes["dog"] == {"precision": 1, "recall": 1, "f1": 1, "images": 1}
    assert first.classes["emu"] == {"precision": 0, "recall": 0, "f1": 0, "images": 1}
    assert first.test["precision"] == pytest.approx((2 * 2 / 3 + 1) / 4)
    assert first.test["f1"] == pytest.approx((2 * 0.8 + 1) / 4)


def test_models_that_average_looks_are_scored_at_one_look_too(seeds: list[SeedScores]) -> None:
    assert (seeds[0].one_look, "one_look" in group.summarise(seeds, LABELS)) == (None, False)
    # Right of all images and of the first alone.
    at_one_look = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    both = [
        group.score_seed(RUN, seed, LABELS, probabilities(seed), NAMES, found)
        for seed, found in zip(METRICS, at_one_look, strict=False)
    ]
    assert [seed.test for seed in both] == [seed.test for seed in seeds[:2]]
    found = group.summarise(both, LABELS)["one_look"]["test"]
    assert (found["accuracy"].mean, found["accuracy"].n) == (0.625, 2)
    assert found["accuracy"].std == pytest.approx(0.375 * 2**0.5)
    assert set(found) == set(group.summarise(both, LABELS)["test"])


def test_mean_and_deviation_over_seeds_are_those_computed_by_hand(seeds: list[SeedScores]) -> None:
    found = group.summarise(seeds, LABELS)
    assert set(found) == {
        "n",
        "val",
        "test",
        "train",
        "epochs",
        "best_epoch",
        "multiply_adds",
        "parameters",
        "ensemble",
    }
    assert (found["n"], found["parameters"]) == (3, 30)
    # Deviations from 0.53: -0.03, -0.01, 0.04; divided by the seeds less one.
    assert parts(found["val"]["accuracy"]) == near(0.53, ((0.0009 + 0.0001 + 0.0016) / 2) ** 0.5)
    assert parts(found["val"]["loss"]) == near(1.4, 0.1)
    assert parts(found["train"]["accuracy"]) == near(0.67, ((0.0049 + 0.0009 + 0.0016) / 2) ** 0.5)
    assert parts(found["epochs"]) == near(13, ((9 + 1 + 16) / 2) ** 0.5)
    assert parts(found["best_epoch"]) == near(7, ((9 + 1 + 16) / 2) ** 0.5)
    assert parts(found["multiply_adds"]) == near(1300, ((90000 + 10000 + 160000) / 2) ** 0.5)
    # The seeds have 3, 2 and 2 of 4 images right.
    assert parts(found["test"]["accuracy"]) == near(7 / 12, ((1 / 6) ** 2 + 2 * (1 / 12) ** 2) ** 0.5 / 2**0.5)


def test_one_seed_has_no_deviation(seeds: list[SeedScores]) -> None:
    found = group.summarise(seeds[:1], LABELS)
    assert found["n"] == 1
    assert found["val"]["accuracy"] == Statistic(0.50, 1)
    assert found["ensemble"]["test"]["accuracy"] == seeds[0].test["accuracy"]


def test_the_ensemble_names_the_class_with_the_highest_mean_probability(seeds: list[SeedScores]) -> None:
    mean = np.stack([probabilities(seed) for seed in METRICS]).mean(axis=0)
    assert mean.argmax(axis=1).tolist() == LABELS.tolist()
    assert all(seed.test["accuracy"] < 1 for seed in seeds)
    assert group.summarise(seeds, LABELS)["ensemble"] == {"test": {"accuracy": 1.0, "f1": 1.0}}
    others = np.array([1, 1, 2, 0], np.uint8)
    right = float(np.mean(mean.argmax(axis=1) == others))
    assert group.summarise(seeds, others)["ensemble"]["test"]["accuracy"] == right == 0.75


def test_folds_have_their_mean_and_deviation_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folds = [Fold("beyond", "conv", number, 3) for number in (1, 2, 3)]
    for fold, accuracy in zip(folds, (0.50, 0.52, 0.57), strict=True):
        write_json(fold.log(100) / "metrics.json", {"val": {"accuracy": accuracy}})
    found = group.summarise_folds(folds, 100)
    # Deviations from 0.53: -0.03, -0.01, 0.04; divided by the folds less one.
    std = ((0.0009 + 0.0001 + 0.0016) / 2) ** 0.5
    assert found == {"accuracy": {"mean": pytest.approx(0.53), "std": pytest.approx(std), "n": 3}}


def test_an_ensemble_over_runs_is_chosen_by_validation_and_scored_on_test() -> None:
    """Each run is the mean of its seeds; the best on test is not the best on validation."""
    random = np.random.default_rng(3)
    labels: dict[Literal["val", "test"], npt.NDArray[np.uint8]] = {}
    means: dict[tuple[str, str], npt.NDArray[np.float32]] = {}
    said: dict[str, list[Predictions]] = {name: [{}, {}] for name in ("a", "b", "c")}
    for split in ("val", "test"):
        labels[split] = random.integers(0, 3, 40).astype(np.uint8)
        for name in said:
            of_seeds = [random.dirichlet(np.ones(3), 40) + np.eye(3)[labels[split]] * 0.2 for _ in (100, 101)]
            means[name, split] = np.mean(of_seeds, axis=0)
            for own, probabilities in zip(said[name], of_seeds, strict=True):
                own[split] = probabilities.astype(np.float32)
    found = group.summarise_together(said, labels["val"], labels["test"])
    members = found["members"]
    assert members == chosen(labels["val"], {name: means[name, "val"] for name in said})
    assert members != chosen(labels["test"], {name: means[name, "test"] for name in said})
    predicted = {split: sum(means[name, split] for name in members).argmax(axis=1) for split in labels}  # type: ignore[union-attr]
    assert found["val"] == {"accuracy": np.mean(predicted["val"] == labels["val"])}
    assert found["test"] == {
        "accuracy": np.mean(predicted["test"] == labels["test"]),
        "f1": pytest.approx(f1_score(labels["test"], predicted["test"], average="weighted")),
    }


def test_there_is_a_row_per_seed(seeds: list[SeedScores]) -> None:
    rows = group.seeds_table(seeds)
    assert [(row["run"], row["seed"]) for row in rows] == [("deep", 100), ("deep", 101), ("deep", 102)]
    assert rows[1] == {
        "run": "deep",
        "seed": 101,
        "val_accuracy": 0.52,
        "val_loss": 1.40,
        "val_precision": 0.53,
        "val_f1": 0.48,
        "test_accuracy": 0.5,
        "test_precision": seeds[1].test["precision"],
        "test_f1": seeds[1].test["f1"],
        "train_accuracy": 0.70,
        "train_loss": 1.00,
        "epochs": 12,
        "best_epoch": 6,
        "parameters": 30,
        "multiply_adds": 1200,
    }


def test_there_is_a_row_per_seed_and_epoch(seeds: list[SeedScores]) -> None:
    rows = group.epochs_table(seeds[:2])
    curves = {curve.replace("/", "_"): value for curve, value in CURVES.items()}
    assert rows == [
        {"run": "deep", "seed": seed, "epoch": epoch} | {name: value + offset for name, value in curves.items()}
        for seed in (100, 101)
        for epoch, offset in ((1, 0), (2, seed))
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\n", "\n3\t1.0\n", "a table is damaged"),
        ("\t2.5", "\thigh", "a table is damaged"),
        ("loss", "lost", "has no 'loss'"),
        ("2.5", "", "loss.tsv is damaged"),
    ],
    ids=["a row too many", "no number", "no column", "cut short"],
)
def test_a_damaged_table_of_a_log_is_named(old: str, new: str, said: str, seeds: list[SeedScores]) -> None:
    path = RUN.log(100) / "plots/metrics/val/loss.tsv"
    content = path.read_text()
    before, _, after = content.partition(old)
    assert before != content
    path.write_text(before + new + (after if new else ""))
    with pytest.raises(UserError, match=rf"^logs/scale/deep/seed-100/plots/metrics[^\n]*{said}[^\n]*dvc checkout"):
        group.epochs_table(seeds)


def test_there_is_a_row_per_seed_and_class(seeds: list[SeedScores]) -> None:
    rows = group.classes_table(seeds)
    assert [(row["run"], row["seed"], row["class"]) for row in rows] == [
        ("deep", seed, name) for seed in METRICS for name in NAMES
    ]
    assert rows[0] == {"run": "deep", "seed": 100, "class": "cat", **seeds[0].classes["cat"]}


def test_what_is_not_trained_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole, partly, none = (Run("ablation", name) for name in ("whole", "partly", "none"))
    folds = [Fold("ablation", name, number, 2) for name in ("whole", "partly") for number in (1, 2)]
    for run, seed in ((whole, 1), (whole, 2), (partly, 2), (none, 1)):
        run.log(seed).mkdir(parents=True)
        if run is not none:
            run.model(seed).parent.mkdir(parents=True, exist_ok=True)
            run.model(seed).touch()
    for fold in folds[:3]:
        fold.log(1).mkdir(parents=True)
    trained, validated, absent = group.split_by_training([whole, partly, none], folds, (1, 2))
    assert trained == [whole]
    assert validated == folds[:2]
    assert absent == ["partly (seed 1)", "none", "folds of partly"]
