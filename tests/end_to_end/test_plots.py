"""The pages that DVC's plots write, drawn by a browser that reaches no network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here to draw the plots")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "plots.html"
    subprocess.run([sys.executable, ROOT / "tools/offline_plots.py", path], check=True)
    return path


def drawn(page: Path) -> tuple[dict[str, list[str]], int]:
    """The kinds of marks that each plot of ``page`` drew something of, and how many images loaded."""
    assert BROWSER is not None
    text = page.read_text()
    counter = "<script>addEventListener('load', () => setTimeout(() => document.body.setAttribute('images', "
    counter += "[...document.images].filter(image => image.naturalWidth > 0).length), 1000))</script>"
    # The libraries in the page have the same tag in their strings; the last is the page's.
    before, end, after = text.rpartition("</body>")
    page.write_text(before + counter + end + after)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000", "--dump-dom")
    words = [BROWSER, *options, "--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()]
    dom = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    plots = {}
    for part in re.split(r'(?=<div id="[^"]+"[^>]*vega-embed)', dom[dom.index("<body") :])[1:]:
        svg = part[: part.find("</svg>")]
        kinds = re.findall(r'class="mark-(line|symbol|rect)[^"]*"[^>]*>\s*<path[^>]* d="[^"]{3,}"', svg)
        plots[part.split('"')[1]] = sorted(set(kinds) - ({"symbol"} if "mark-line" in svg else set()))
    images = re.search(r'<body images="(\d+)"', dom)
    assert images is not None
    return plots, int(images[1])


def test_every_plot_of_a_fresh_project_is_drawn_without_a_network(reproduced: Project, template: Path) -> None:
    reproduced.succeed("dvc", "plots", "show", "--html-template", str(template), "--out", "shown")
    plots, images = drawn(reproduced.folder / "shown" / "index.html")
    shutil.rmtree(reproduced.folder / "shown")
    groups = ("ablation", "baseline", "beyond", "regularise", "scale", "tune")
    expected = {f"metrics_{group}-epochs_csv": ["line"] for group in groups}
    expected |= {f"metrics_{group}-{kind}_csv": ["symbol"] for group in groups for kind in ("classes", "seeds")}
    expected |= {"metrics_final-trials_csv": ["symbol"], "metrics_confusion_matrix_csv": ["rect"]}
    assert plots == expected
    assert images == len(list((reproduced.folder / "metrics/figures").glob("*.png")))
