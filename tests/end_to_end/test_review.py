"""The reviewer's page: verdicts, and the whole of it on a real change."""

import numpy as np
import pytest

from pipeline.evaluation.statistics import Statistic
from pipeline.reporting import plots
from tests.conftest import Project
from tools.changes import Change


def change(name: str, before: Statistic | None, after: Statistic | None) -> Change:
    return Change("metrics/regularise.json", name, before, after)


@pytest.mark.parametrize(
    ("name", "before", "after", "verdict"),
    [
        ("val.accuracy", Statistic(0.50, 3, 0.001), Statistic(0.52, 3, 0.001), "better"),
        ("val.accuracy", Statistic(0.52, 3, 0.001), Statistic(0.50, 3, 0.001), "worse"),
        ("val.loss", Statistic(1.40, 3, 0.001), Statistic(1.50, 3, 0.001), "worse"),
        ("val.loss", Statistic(1.50, 3, 0.001), Statistic(1.40, 3, 0.001), "better"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), Statistic(0.51, 3, 0.02), "within the spread"),
        ("val.accuracy", Statistic(0.50, 1, None), Statistic(0.60, 1, None), "one seed: unknown"),
        ("val.accuracy", Statistic(0.50, 3, 0.0), Statistic(0.51, 3, 0.0), "better"),
        ("selected.val_accuracy", Statistic(0.50, 3, 0.001), Statistic(0.52, 3, 0.001), "better"),
        ("epochs", Statistic(50, 3, 0.0), Statistic(40, 3, 0.0), "changed"),
        ("val.accuracy", None, Statistic(0.50, 3, 0.02), "new"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), None, "removed"),
    ],
)
def test_verdicts(name: str, before: Statistic | None, after: Statistic | None, verdict: str) -> None:
    assert change(name, before, after).verdict == verdict


TRAINED = (["regularise", "100"], ["regularise", "101"], ["evaluate", "regularise"])


def test_a_review_shows_parameters_metrics_and_figures(project: Project) -> None:
    project.set_params(**{"train.seeds": [100, 101], "train.epochs": 4})
    for words in (["fetch"], ["preprocess"], *TRAINED):
        project.stage(*words)
    samples = project.folder / "metrics/figures/samples.png"
    plots.image_grid(samples, np.zeros((1, 32, 32, 3), np.uint8), ["black"], 1, 1, "Training images")
    project.commit()
    project.set_params(**{"reg.learning_rate": 1e-9})
    for words in TRAINED:
        project.stage(*words)
    plots.image_grid(samples, np.ones((1, 32, 32, 3), np.uint8), ["nearly black"], 1, 1, "Training images")
    page = project.succeed("python", "-m", "tools.review", "main")
    assert (project.folder / "review/review.md").read_text() in page
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert ["`reg.learning_rate`", "`0.0001`", "`1e-09`"] in cells
    (accuracy,) = (row for row in cells if row[:2] == ["regularise", "val.accuracy"])
    assert accuracy[2].count("±") == accuracy[3].count("±") == 1
    assert float(accuracy[4]) < 0
    assert accuracy[5] == "worse"
    assert [
        "figures/samples.png",
        "![before](before/metrics-figures-samples.png)",
        "![after](after/metrics-figures-samples.png)",
    ] in cells
    for side in ("before", "after"):
        assert (project.folder / f"review/{side}/metrics-figures-samples.png").read_bytes().startswith(b"\x89PNG")
    assert project.succeed("git", "status", "--porcelain", "review") == ""


def test_an_unknown_revision_is_a_clear_error(project: Project) -> None:
    ended = project.run("python", "-m", "tools.review", "nowhere")
    assert (ended.returncode, ended.stderr) == (
        1,
        "review: REV is nowhere, which git does not know here; allowed: a branch, tag or commit\n",
    )
