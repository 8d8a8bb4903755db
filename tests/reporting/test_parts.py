"""What each part of a run is worth: against scipy, and with Holm's correction over the rows of one base run."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import read_json, write_array, write_json
from pipeline.files.runs import Run
from pipeline.reporting import parts
from pipeline.reporting.comparisons import BETTER, NOT_TOLD_APART, WORSE
from pipeline.reporting.results import Results
from tests.reporting.test_comparisons import cells, measured

BASE, OTHER, FLIPS, LOOKS, CUTOUT, WIDTH, ABSENT = (
    Run("beyond", name) for name in ("base", "other", "no-flips", "one-look", "cutout", "narrow", "absent")
)
ACCURACIES = {
    BASE: [0.70, 0.71, 0.72],
    FLIPS: [0.60, 0.61, 0.62],
    LOOKS: [0.69, 0.71, 0.70],
    CUTOUT: [0.80, 0.81, 0.815],
    OTHER: [0.50, 0.52, 0.51],
    WIDTH: [0.40, 0.41, 0.42],
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Two base runs; four rows of the first, of which one was not run, and one of the second."""
    monkeypatch.chdir(tmp_path)
    compared = dict.fromkeys((FLIPS, LOOKS, CUTOUT, ABSENT), BASE) | {WIDTH: OTHER}
    found = measured(ACCURACIES)
    Path("data/predictions/ablation/labels.npy").rename("data/predictions/beyond/labels.npy")
    return replace(found, compared=compared)


def test_each_row_differs_from_its_base_run_by_welchs_test_and_holms_correction(results: Results) -> None:
    found = parts.answers(results)
    assert {base: list(rows) for base, rows in found.items()} == {
        BASE: ["no-flips", "one-look", "cutout"],
        OTHER: ["narrow"],
    }
    p = {}
    for base, rows in found.items():
        for name, answer in rows.items():
            welch = stats.ttest_ind(ACCURACIES[Run("beyond", name)], ACCURACIES[base], equal_var=False)
            difference = np.mean(ACCURACIES[Run("beyond", name)]) - np.mean(ACCURACIES[base])
            assert answer.comparison.difference == pytest.approx(difference)
            assert answer.comparison.p == pytest.approx(welch.pvalue)
            assert answer.comparison.over_seeds == pytest.approx(tuple(welch.confidence_interval(0.95)))
            p[name] = float(welch.pvalue)
    # Four rows of the first base run are declared, one of the second: each base run is corrected for its own.
    corrected = {name: answer.holm_p for rows in found.values() for name, answer in rows.items()}
    assert p["no-flips"] < p["cutout"] < p["one-look"] or p["cutout"] < p["no-flips"] < p["one-look"]
    first, second = sorted(("no-flips", "cutout"), key=lambda name: p[name])
    assert corrected[first] == pytest.approx(4 * p[first])
    assert corrected[second] == pytest.approx(max(4 * p[first], 3 * p[second]))
    assert corrected["one-look"] == pytest.approx(min(1, 2 * p["one-look"]))
    assert corrected["narrow"] == pytest.approx(p["narrow"])
    verdicts = {name: answer.verdict for name, answer in found[BASE].items()}
    assert verdicts == {"no-flips": WORSE, "one-look": NOT_TOLD_APART, "cutout": BETTER}


def test_the_same_models_at_one_look_are_compared_in_pairs(results: Results) -> None:
    right = {
        100: [1, 1, 1, 1, 1, 1, 0, 0, 0, 0],
        101: [1, 1, 1, 1, 1, 0, 0, 0, 0, 1],
        102: [1, 0, 1, 1, 1, 0, 0, 0, 0, 0],
    }
    # Of the base run's own models the first seven images are right.
    shares = {seed: float(np.mean(values)) - 0.7 for seed, values in right.items()}
    for seed, values in right.items():
        write_array(BASE.predictions(seed, "one-look"), np.stack([values, 1 - np.array(values)], 1).astype(np.float32))
    one_look = {"accuracy": Statistic.of([0.7 + share for share in shares.values()])}
    looks = replace(results, runs={**results.runs, BASE: replace(results.runs[BASE], one_look=one_look)})
    before, found = parts.answers(results)[BASE], parts.answers(looks)[BASE]
    answer = found["at one look"]
    theirs = stats.ttest_1samp(list(shares.values()), 0)
    assert answer.comparison.p == pytest.approx(theirs.pvalue)
    assert answer.comparison.n == (3, 3)
    assert answer.comparison.difference == pytest.approx(np.mean(list(shares.values())))
    assert answer.over_images[0] < answer.comparison.difference < answer.over_images[1]
    # It is one comparison more.
    least = min(before, key=lambda name: before[name].comparison.p or 1)
    assert found[least].holm_p == pytest.approx(5 * (before[least].comparison.p or 0))
    text = "\n\n".join(parts.texts(looks, parts.answers(looks)))
    assert cells(text, "at one look")[0] == f"{np.mean(list(shares.values())):+.4f}"
    assert text.count("Here seeds are paired") == 1
    assert "beyond/base better at one look?" in parts.by_question(parts.answers(looks))


def test_the_report_has_a_table_of_each_base_run_and_names_what_was_not_run(results: Results) -> None:
    costs = {BASE: 7e9, FLIPS: 5e9}
    runs = {run: replace(result, multiply_adds=Statistic(costs.get(run, 1), 3)) for run, result in results.runs.items()}
    flips = {"flip": ("none", "random"), "units": ((8,), (8, 9)), "patience": (None, 3)}
    results = replace(results, runs=runs, differences={FLIPS: flips})
    text = "\n\n".join(parts.texts(results, parts.answers(results)))
    first, second = text.split("## beyond/other without a part")
    assert "## beyond/base without a part" in first
    assert "Base run: test accuracy 0.7100 ± 0.0100; training one seed costs 7.00e+09 multiply-adds." in first
    assert cells(first, "no-flips")[0] == "-0.1000"
    assert cells(first, "no-flips")[5:] == [
        WORSE,
        "flip none (random), units [8] ([8, 9]), patience null (3)",
        "5.00e+09",
    ]
    assert cells(first, "cutout")[6:] == ["", "1.00e+00"]
    assert re.fullmatch(r"-0\.\d{4} to -0\.\d{4}", cells(first, "no-flips")[1])
    assert "Not run yet: absent." in first
    assert "| narrow" not in first
    assert cells(second, "narrow")[0] == "-0.1000"
    assert "Not run yet" not in second
    assert "Welch's t-test" in text


def test_rows_without_their_base_run_are_named_and_not_compared(results: Results) -> None:
    without = replace(results, runs={run: result for run, result in results.runs.items() if run != BASE})
    found = parts.answers(without)
    assert found[BASE] == {}
    text = "\n\n".join(parts.texts(without, found))
    assert "Not run yet: base, absent." in text
    assert "| no-flips" not in text


def test_one_seed_tells_no_p_and_leaves_no_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = replace(measured({BASE: [0.7], FLIPS: [0.6]}), compared={FLIPS: BASE})
    Path("data/predictions/ablation/labels.npy").rename("data/predictions/beyond/labels.npy")
    text = "\n\n".join(parts.texts(one, parts.answers(one)))
    assert cells(text, "no-flips")[:4] == ["-0.1000", "", "", ""]
    assert cells(text, "no-flips")[5] == "unknown: one seed"
    assert "nan" not in text


def test_without_rows_there_is_nothing_to_say(results: Results) -> None:
    assert parts.answers(replace(results, compared={})) == {}


def test_the_answers_stand_beside_the_declared_ones_in_one_file(results: Results) -> None:
    write_json(Path("comparisons.json"), parts.by_question(parts.answers(results)))
    written = read_json(Path("comparisons.json"))
    assert set(written) == {
        "beyond/no-flips better than beyond/base?",
        "beyond/one-look better than beyond/base?",
        "beyond/cutout better than beyond/base?",
        "beyond/narrow better than beyond/other?",
    }
    assert written["beyond/no-flips better than beyond/base?"]["difference"] == -0.1
    assert written["beyond/no-flips better than beyond/base?"]["verdict"] == WORSE
