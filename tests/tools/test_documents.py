"""README and docs: what they point to is there, and what they tell people to type can be typed."""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The headings of ``page`` as git hosts name them in addresses."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" not in link:
            yield link


def commands(page: Path) -> Iterator[str]:
    """The lines of its blocks of shell, and what stands in its text as code."""
    text = page.read_text()
    for kind, block in re.findall(r"^ *```(\w+)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            yield from (line.partition(" #")[0].strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(PAGES[0].read_text().splitlines()) <= 150
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= set(links(PAGES[0]))


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    seen = 0
    for page in PAGES:
        for command in commands(page):
            for called in re.findall(r"^(?:[A-Z_]+=\S+ )*make((?: [A-Z]+=\S+)*)((?: [a-z.][a-z.-]*)?)", command):
                assert called[1].strip() in {"", *targets}, f"{page.name}: {command}"
                seen += 1
    assert seen > 20


def test_modules_that_python_is_to_run_exist() -> None:
    found = [module for page in PAGES for line in commands(page) for module in re.findall(r"python -m ([\w.]+)", line)]
    own = [module for module in found if module.partition(".")[0] in ("pipeline", "tools", "tests", "benchmarks")]
    assert len(own) > 3
    for module in own:
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").exists(), module


def test_stages_that_dvc_is_to_run_exist() -> None:
    with Repo(str(ROOT)) as repo:
        stages = {stage.addressing for stage in repo.index.stages}
    names = stages | {stage.partition("@")[0] for stage in stages}
    seeds = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["seeds"]
    seen = 0
    for page in PAGES:
        for command in commands(page):
            words = command.split()
            if words[:2] != ["dvc", "repro"] or "GROUP" in command:
                continue
            for target in (word.strip("'") for word in words[2:] if not word.startswith("-") and word != "&&"):
                if "--glob" in words:
                    found = fnmatch.filter(stages, target)
                    assert found, f"{page.name}: {command}"
                    # A row of results is one run: all its seeds, and no other run's.
                    assert len(found) == len(seeds) or page.name != "README.md", f"{command}: {sorted(found)}"
                    seen += 1
                elif re.fullmatch(r"[\w@.-]+", target):
                    assert target in names, f"{page.name}: {command}"
                    seen += 1
    assert seen > 25
