"""The declared comparisons: which are told apart, what that makes of the study, and what the report says of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import write_array, write_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.params import reading, runs
from pipeline.reporting import comparisons, errata, published
from pipeline.reporting.comparisons import BETTER, HOLDS, NOT_TOLD_APART, REVERSED, WORSE, Answer
from pipeline.reporting.published import StudySection
from pipeline.reporting.results import Results, RunResult
from tests.conftest import ROOT

A, B, C, D = (Run("ablation", name) for name in "abcd")
SEEDS = (100, 101, 102)


def answer(difference: float, holm_p: float | None, reported: float | None) -> Answer:
    problem = "one seed" if holm_p is None else None
    bounds = None if holm_p is None else (difference - 0.01, difference + 0.01)
    # Before the correction for many comparisons, each would be told apart.
    p = None if holm_p is None else holm_p / 100
    return Answer(Comparison(difference, (3, 3), bounds, p, problem), holm_p, reported, (0.0, 0.0))


@pytest.mark.parametrize(
    ("difference", "holm_p", "reported", "verdict"),
    [
        (0.02, 0.01, 0.003, HOLDS),
        (-0.02, 0.01, -0.003, HOLDS),
        (0.02, 0.01, -0.003, REVERSED),
        (-0.02, 0.01, 0.003, REVERSED),
        (0.02, 0.05, 0.003, NOT_TOLD_APART),
        (0.02, 1.0, -0.003, NOT_TOLD_APART),
        (0.02, 0.01, None, BETTER),
        (-0.02, 0.01, None, WORSE),
        # The study found no difference, so there is no direction that holds.
        (0.02, 0.01, 0.0, BETTER),
        (0.02, None, 0.003, "unknown: one seed"),
    ],
)
def test_a_conclusion_holds_only_by_holms_p_and_in_its_own_direction(
    difference: float, holm_p: float | None, reported: float | None, verdict: str
) -> None:
    assert answer(difference, holm_p, reported).verdict == verdict


def test_whether_the_reported_difference_lies_inside_the_interval_is_another_question() -> None:
    assert answer(0.02, 0.01, 0.0101).reported_inside is True
    assert answer(0.02, 0.01, 0.0099).reported_inside is False
    # Rounded to the study's four decimals.
    assert answer(0.02, 0.01, 0.03004).reported_inside is True
    assert answer(0.02, 0.01, None).reported_inside is None
    assert answer(0.02, None, 0.01).reported_inside is None


def test_each_question_is_named_under_its_answer() -> None:
    found = {"first?": answer(0.02, 0.01, 0.01), "second?": answer(0.02, 0.9, 0.01), "third?": answer(0.02, 0.01, None)}
    lines = comparisons.conclusions(found).splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["first?", "none.", "second?"]
    assert "(1 of 2)" in lines[0]
    assert comparisons.conclusions({"first?": answer(0.02, None, 0.01)}).splitlines()[-1].endswith("(1 of 1): first?")


def declare(monkeypatch: pytest.MonkeyPatch, folder: Path, *entries: object) -> None:
    """Declare comparisons of their own."""
    path = folder / "comparisons.yaml"
    path.write_text(yaml.safe_dump(list(entries)))
    monkeypatch.setattr(published, "COMPARISONS", path)


def question(text: str, *runs: str) -> dict[str, object]:
    return {"question": text, "runs": list(runs)}


def measured(accuracies: dict[Run, list[float]], dataset: str = "cifar10-jpeg") -> Results:
    """The results of runs with these test accuracies, one per seed, and their predictions for ten images of class 0."""
    runs = {}
    for run, values in accuracies.items():
        one = Statistic(1, len(values))
        runs[run] = RunResult(0, one, one, {}, {"accuracy": Statistic.of(values)}, {}, {}, {}, {}, {})
        for seed, value in zip(SEEDS, values, strict=False):
            right = np.arange(10) < round(10 * value)
            write_array(run.predictions(seed), np.stack([right, ~right], axis=1).astype(np.float32))
    write_array(Path("data/predictions/ablation/labels.npy"), np.zeros(10, np.uint8))
    seeds = SEEDS[: len(next(iter(accuracies.values())))]
    return Results(seeds, runs, naive=None, missing=[], dataset={"dataset": dataset}, split={})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


DRAWN = {A: [0.60, 0.61, 0.62], B: [0.50, 0.51, 0.52], C: [0.51, 0.53, 0.50], D: [0.1, 0.1, 0.1]}


def test_holms_correction_counts_all_declared_comparisons(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, folder, question("A?", "ablation/a", "ablation/b"), question("C?", "ablation/c", "ablation/b"))
    results = measured(DRAWN)
    two = comparisons.answers(results, [])
    p = {name: entry.comparison.p or 0 for name, entry in two.items()}
    assert p["A?"] < 0.001 < 0.4 < p["C?"]
    assert two["A?"].holm_p == pytest.approx(2 * p["A?"])
    assert two["C?"].holm_p == pytest.approx(p["C?"])
    # One whose run is not there is declared all the same.
    absent = question("absent?", "ablation/a", "ablation/absent")
    declare(
        monkeypatch,
        folder,
        question("A?", "ablation/a", "ablation/b"),
        question("C?", "ablation/c", "ablation/b"),
        absent,
    )
    three = comparisons.answers(results, [])
    assert three["A?"].holm_p == pytest.approx(3 * p["A?"])
    assert list(three) == ["A?", "C?"]
    text = "\n\n".join(comparisons.texts(results, three))
    assert "corrects for the 3 comparisons" in " ".join(text.split())
    assert "Not compared, because a run is not there (1 of 3):\n\n- absent?" in text


def cells(text: str, name: str) -> list[str]:
    """The cells of all rows that begin with ``name``."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {name}")]
    assert lines
    return [cell.strip() for line in lines for cell in line.split("|")[2:-1]]


def test_the_report_shows_what_was_computed_beside_what_the_study_reports(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, folder, question("A?", "ablation/a", "ablation/b"), question("C?", "ablation/c", "ablation/b"))
    section = StudySection("s", "S", {A: {"accuracy": 0.55}, B: {"accuracy": 0.50}, C: {"accuracy": 0.45}})
    results = measured(DRAWN)
    found = comparisons.answers(results, [section])
    text = "\n\n".join(comparisons.texts(results, found))
    # By hand: the variances of the means are 0.01**2 / 3 each, so p is that of t = 12.2474 with 4 degrees of freedom.
    assert cells(text, "A?")[:4] == ["+0.1000", "+0.0500", "0.0005", "holds"]
    assert cells(text, "A?")[4:7] == ["+0.0773 to +0.1227", "no", "0.0003"]
    assert re.fullmatch(r"[+-]0\.\d{4} to \+0\.\d{4}", cells(text, "A?")[7])
    assert cells(text, "C?")[1] == "-0.0500"
    assert cells(text, "C?")[3] == "not told apart"
    assert cells(text, "C?")[5] == "no"
    for verdict in (HOLDS, REVERSED, BETTER, WORSE, NOT_TOLD_APART, "unknown"):
        assert re.search(rf"^- .*{verdict}.*: ", text, re.MULTILINE)
    assert "What 3 seeds can tell: at the median spread of all runs (0.0100)" in text
    # 3.5074 is what noncentral t, averaged over the measured variances, gives for three seeds a side.
    assert "a comparison by itself finds a difference of 0.0351 with a chance of 80 %" in text
    write_json(Path("comparisons.json"), found)
    written = json.loads(Path("comparisons.json").read_text())["A?"]
    assert (written["difference"], written["n"], written["verdict"]) == (0.1, [3, 3], "holds")
    assert written["holm_p"] == pytest.approx(2 * written["p"], abs=2e-6)


def test_other_images_have_no_study_beside_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, folder, question("A?", "ablation/a", "ablation/b"))
    results = measured(DRAWN, "digits")
    section = StudySection("s", "S", {A: {"accuracy": 0.55}, B: {"accuracy": 0.50}})
    text = "\n\n".join(comparisons.texts(results, comparisons.answers(results, [section])))
    assert cells(text, "A?")[2] == "better"
    assert "reported" not in cells(text, "question")
    assert "Told apart, the other way" not in text
    assert "study" not in text
    assert HOLDS not in text


def test_no_page_has_a_nan_where_something_cannot_be_computed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(
        monkeypatch,
        folder,
        question("A?", "ablation/a", "ablation/b"),
        question("D?", "ablation/c", "ablation/d"),
        question("same?", "ablation/d", "ablation/e"),
    )
    results = measured({**DRAWN, Run("ablation", "e"): [0.2, 0.2, 0.2]})
    text = "\n\n".join(comparisons.texts(results, comparisons.answers(results, [])))
    assert cells(text, "same?")[:4] == ["-0.1000", "", "", "unknown: no spread in either run"]
    assert cells(text, "same?")[4:7] == ["", "", ""]
    # One run without a spread leaves that of the other, and the page says so.
    assert [number for number, cell in enumerate(cells(text, "D?")) if cell == ""] == [1, 5]
    assert "Here one run has no spread over seeds, and that of the other alone counts: D? (ablation/d)" in text
    one = measured({run: values[:1] for run, values in DRAWN.items()})
    alone = "\n\n".join(comparisons.texts(one, comparisons.answers(one, [])))
    assert cells(alone, "A?")[:4] == ["+0.1000", "", "", "unknown: one seed"]
    assert cells(alone, "A?")[4:7] == ["", "", ""]
    assert "can tell from chance cannot be computed: one seed has no spread." in alone
    assert "nan" not in (text + alone).lower()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([question("A?", "ablation/a")], "entry 1 is"),
        ([question("A?", "ablation/a", "ablation/a")], "entry 1 is"),
        ([question("A?", "ablation/a", "ablation/b", "ablation/c")], "entry 1 is"),
        (["A?"], "entry 1 is 'A?'; allowed: question, and runs: two runs"),
        (
            [question("A?", "scale/a", "scale/b"), question("A?", "scale/b", "scale/c")],
            "entry 2 has the question 'A?' again",
        ),
        ([question("A?", "scale/a", "scale/b"), question("B?", "scale/a", "scale/b")], "entry 2 compares scale/a and"),
        ([question("A?", "scale/a", "scale/b"), question("B?", "scale/b", "scale/a")], "entry 2 compares scale/b and"),
        ([question(" ", "scale/a", "scale/b")], "entry 1 is"),
        ([question("A?", "scale/a", "scale/b") | {"note": 1}], "entry 1 is"),
        ([[]], "entry 1 is []"),
    ],
)
def test_what_declares_no_comparison_is_refused(
    entries: list[object], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, folder, *entries)
    with pytest.raises(UserError, match=re.escape(message)):
        published.comparisons()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"- question: \xff", "comparisons.yaml cannot be read as YAML: .*utf-8"),
        (b"- {question: A, runs: [a, b]}\n- 2020-99-99", "comparisons.yaml: entry 2 cannot be read as YAML: month"),
        (b"- {question: " + b"9" * 5000 + b"}", "comparisons.yaml: entry 1 cannot be read as YAML: "),
        (b"- " + b"[" * 5000, "comparisons.yaml cannot be read as YAML: nested too deeply"),
        (
            b"- {question: A, runs: [a, b], question: B}",
            "entry 1 cannot be read as YAML: it has the key 'question' tw",
        ),
        (b"- {? [a] : b}", "comparisons.yaml: entry 1 "),
        (b"- &a {question: A, runs: *a}", "comparisons.yaml: entry 1 "),
        (b"- [", "comparisons.yaml cannot be read as YAML: while"),
        (b"false", "comparisons.yaml: entry 1 is False"),
    ],
)
def test_comparisons_that_cannot_be_read_are_one_line(
    entry: bytes, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "COMPARISONS", folder / "comparisons.yaml")
    Path("comparisons.yaml").write_bytes(entry)
    with pytest.raises(UserError, match=message) as caught:
        published.comparisons()
    assert len(str(caught.value).splitlines()) == 1


def test_what_the_report_names_are_declared_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves out a reported figure of another run, and says of a comparison or of an erratum that it was not run."""
    monkeypatch.chdir(ROOT)
    declared = runs.declared(reading.load(*reading.SECTIONS))
    known = {str(run) for of_group in declared.values() for run in of_group}
    compared = published.comparisons()
    assert len(compared) == 18
    assert {name for names in compared.values() for name in names} <= known
    assert {name for section in yaml.safe_load(published.REPORTED.read_text()) for name in section["runs"]} <= known
    corrected = (errata.BASELINE, errata.DEEP, errata.HEADLINE, errata.CHOICE, errata.SECOND, *errata.L2_RUNS)
    assert {str(run) for run in corrected} <= known
