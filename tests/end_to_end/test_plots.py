"""The pages that DVC's plots write, drawn by a browser that reaches no network."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pipeline.files.artefacts import read_csv, write_csv
from tests.conftest import ROOT, Project

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here to draw the plots")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "plots.html"
    subprocess.run([sys.executable, ROOT / "tools/offline_plots.py", path], check=True)
    return path


def drawn(page: Path) -> tuple[dict[str, dict[str, int]], list[str], list[str]]:
    """Of each plot of ``page`` how many marks of each kind it drew, its images that loaded, in order, and its parts."""
    assert BROWSER is not None
    text = page.read_text()
    counter = "<script>addEventListener('load', () => setTimeout(() => document.body.setAttribute('images', "
    counter += "[...document.images].filter(image => image.naturalWidth > 0).map(image => image.src)), 1000))</script>"
    # The libraries in the page have the same tag in their strings; the last is the page's.
    before, end, after = text.rpartition("</body>")
    page.write_text(before + counter + end + after)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000", "--dump-dom")
    words = [BROWSER, *options, "--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()]
    dom = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    plots: dict[str, dict[str, int]] = {}
    for part in re.split(r'(?=<div id="[^"]+"[^>]*vega-embed)', dom[dom.index("<body") :])[1:]:
        counts = plots.setdefault(part.split('"')[1], {})
        svg = part[: part.find("</svg>")]
        for kind, marks in re.findall(r'<g class="mark-(line|symbol|rect) role-mark[^>]*>(.*?)</g>', svg, re.DOTALL):
            counts[kind] = counts.get(kind, 0) + len(re.findall(r'<path[^>]* d="[^"]{3,}"', marks))
    images = re.search(r'<body images="([^"]*)"', dom)
    assert images is not None
    names = [source.rpartition("workspace_metrics_figures_")[2] for source in images[1].split(",")]
    return plots, names, re.findall(r"<h2>([\w ]+)</h2>", dom)


def rows(project: Project, name: str) -> Sequence[Mapping[str, str]]:
    return read_csv(project.folder / "metrics" / f"{name}.csv")


def test_every_plot_of_a_fresh_project_is_drawn_without_a_network(reproduced: Project, template: Path) -> None:
    reproduced.succeed("dvc", "plots", "show", "--html-template", str(template), "--out", "shown")
    plots, images, parts = drawn(reproduced.folder / "shown" / "index.html")
    shutil.rmtree(reproduced.folder / "shown")
    expected = {"metrics_final-trials_csv": {"symbol": len(rows(reproduced, "final-trials"))}}
    for group in ("ablation", "baseline", "beyond", "regularise", "scale", "tune"):
        seeds, classes = rows(reproduced, f"{group}-seeds"), rows(reproduced, f"{group}-classes")
        # A line a seed of a run, a point each, and of each run a field a class.
        expected[f"metrics_{group}-epochs_csv"] = {"line": len(seeds)}
        expected[f"metrics_{group}-seeds_csv"] = {"symbol": len(seeds)}
        expected[f"metrics_{group}-classes_csv"] = {"rect": len({(row["run"], row["class"]) for row in classes})}
    confusion = plots.pop("metrics_confusion_matrix_csv")
    assert plots == expected
    assert confusion["rect"] > 1
    # As the report has them, and then the model card.
    pages = [(reproduced.folder / "metrics" / name).read_text() for name in ("report.md", "model_card.md")]
    assert images == re.findall(r"\]\(figures/(.*?)\)", "".join(pages))
    assert parts[0] == "All runs"
    assert parts[-1] == "The selected run on the test images"
    assert len(set(parts)) == len(parts)


def test_classes_are_drawn_whatever_their_names_are(project: Project, template: Path) -> None:
    """By name, and not only where it is a number, as the digits are."""
    names = ("airplane", "cat", "10")
    found = [{"run": "baseline", "seed": 100, "class": name, "f1": 0.5} for name in names]
    write_csv(project.folder / "metrics/baseline-classes.csv", found)
    target = "metrics/baseline-classes.csv"
    project.succeed("dvc", "plots", "show", target, "--html-template", str(template), "--out", "shown")
    plots, _, _ = drawn(project.folder / "shown" / "index.html")
    assert plots == {"metrics_baseline-classes_csv": {"rect": len(names)}}
