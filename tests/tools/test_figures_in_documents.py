"""The figures in the tables of README and docs are those of metrics/, and the reported ones those of reported.yaml."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.evaluation.comparison import Comparison, compare, holm
from pipeline.evaluation.statistics import Statistic
from pipeline.files.runs import GROUPS_OF_ONE
from tests.conftest import ROOT

GROUPS = ("baseline", "scale", "regularise", "ablation", "tune", "beyond")
PAGES = [ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "beyond.md"]

Entry = Mapping[str, Any]
Row = Mapping[str, str]


@cache
def measured() -> Mapping[str, Entry]:
    """What metrics/ has of every run, by "group/run"."""
    found: dict[str, Entry] = {}
    for group in GROUPS:
        path = ROOT / "metrics" / f"{group}.json"
        summary = json.loads(path.read_text()) if path.exists() else {}
        runs = {group: summary} if group in GROUPS_OF_ONE else summary
        found |= {f"{group}/{run}": entry for run, entry in runs.items() if run != "ensemble"}
    return found


@cache
def reported() -> Mapping[str, Mapping[str, float]]:
    """What the study reports of a run first."""
    sections = yaml.safe_load((ROOT / "pipeline/reporting/reported.yaml").read_text())
    return {run: scores for section in reversed(sections) for run, scores in section["runs"].items()}


def rows(page: Path) -> Iterator[Row]:
    """Every row of a table by the names of its columns."""
    columns: list[str] = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        columns = columns or cells if cells else []
        if cells and cells != columns and set("".join(cells)) - set("-:"):
            yield dict(zip(columns, cells, strict=True))


def run_of(row: Row) -> str | None:
    """The "group/run" that a row names, in its command or in its first cell; None of a row that has no figures."""
    if called := re.search(r"dvc repro (?:--glob ')?(\w+)(?:@([\w-]+)-10\?')?`", row.get("command", "")):
        stage, run = called.groups()
        return f"{'tune' if stage == 'winner' else stage}/{run or stage}"
    for name in re.findall(r"`([\w/-]+)`", row.get("run", "")):
        for known in measured():
            if name in (known, known.partition("/")[2]):
                return str(known)
    return None


def score(part: str, name: str) -> Callable[[Entry], str]:
    return lambda entry: str(Statistic.from_json(entry[part][name], entry["n"]))


def magnitude(entry: Entry) -> str:
    mantissa, _, exponent = f"{entry['multiply_adds']['mean']:.1e}".partition("e+")
    return f"{mantissa}e{int(exponent)}"


def at_one_look(entry: Entry) -> str:
    looked = entry.get("one_look")
    return str(Statistic.from_json(looked["test"]["accuracy"], entry["n"])) if looked else ""


COLUMNS: Mapping[str, Callable[[Entry], str]] = {
    "val accuracy": score("val", "accuracy"),
    "val accuracy, three seeds, the same images held out": score("val", "accuracy"),
    "val accuracy, five folds": lambda entry: str(Statistic.from_json(entry["folds"]["accuracy"], 5)),
    "test accuracy": score("test", "accuracy"),
    "three seeds, test": score("test", "accuracy"),
    "F1": score("test", "f1"),
    "test at one look": at_one_look,
    "three together, test": lambda entry: f"{entry['ensemble']['test']['accuracy']:.4f}",
    "multiply-adds": magnitude,
    "multiply-adds of one": magnitude,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_figures_of_runs_are_those_of_metrics(page: Path) -> None:
    seen = set()
    for row in rows(page):
        run = run_of(row)
        if run is None or "commit" in row["run"]:
            continue
        entry = measured()[run]
        for column in COLUMNS.keys() & row.keys():
            shown = COLUMNS[column](entry)
            if " at one look" in row["run"]:
                shown = {"val accuracy": "", "test accuracy": at_one_look(entry)}.get(column, shown)
            assert row[column] == shown, f"{page.name}: {run}: {column}"
            seen.add(run)
    assert len(seen) >= 10


def test_every_run_beyond_the_study_is_in_its_page() -> None:
    shown = {run_of(row) for row in rows(ROOT / "docs" / "beyond.md")}
    assert {run for run in measured() if run.startswith("beyond/")} <= shown


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_the_reported_figures_are_those_of_reported_yaml(page: Path) -> None:
    seen = 0
    for row in rows(page):
        for column, name in {"reported": "accuracy", "reported accuracy": "accuracy", "reported F1": "f1"}.items():
            run = run_of(row)
            if run is not None and re.fullmatch(r"0\.\d{4}", row.get(column, "")):
                assert row[column] == f"{reported()[run][name]:.4f}", f"{page.name}: {run}: {column}"
                seen += 1
    assert seen >= 10


@pytest.mark.parametrize(("base", "tests"), [("dense-augmented", 6), ("conv-5min", 8)])
def test_what_a_part_is_worth_follows_from_metrics(base: str, tests: int) -> None:
    shown = {run: row for row in rows(ROOT / "docs" / "beyond.md") if "is without" in row and (run := run_of(row))}
    own = base.partition("-")[0]
    found: dict[str, Comparison] = {
        run: compare(accuracy(run), accuracy(f"beyond/{base}"))
        for run in shown
        if run.startswith(f"beyond/{own}-") and run != f"beyond/{base}"
    }
    assert len(found) == tests - 1
    # At one look models are compared with themselves, by a p that metrics/ does not have: the page's own.
    paired = float(shown[f"beyond/{base}"]["Holm's p"])
    alone = {run: found[run].p or 0.0 for run in found}
    corrected = holm(alone | {base: unrounded_p(alone, paired, tests)}, tests)
    for run, comparison in found.items():
        low, high = comparison.over_seeds or (0.0, 0.0)
        assert shown[run]["difference, test"] == f"{comparison.difference:+.4f}", run
        assert shown[run]["95 % interval"] == f"{low:+.4f} to {high:+.4f}", run
        assert shown[run]["Holm's p"] == f"{corrected[run]:.4f}", run


def accuracy(run: str) -> Statistic:
    entry = measured()[run]
    return Statistic.from_json(entry["test"]["accuracy"], entry["n"])


def unrounded_p(others: Mapping[str, float], corrected: float, tests: int) -> float:
    """A p that Holm's correction among ``others`` makes ``corrected``."""
    for smaller in range(len(others) + 1):
        p = corrected / (tests - smaller)
        if sum(other < p for other in others.values()) == smaller:
            return p
    raise AssertionError(f"no p is corrected to {corrected}")
