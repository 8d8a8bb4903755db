"""Every stage on images of the user's own."""

import json
import re
from pathlib import Path

from pipeline.images import own_images
from tests.conftest import Project
from tests.images.test_own_images import lay_out

STAGES = (
    *(["baseline", "100"], ["scale", "shallow", "100"], ["regularise", "100"], ["ablation", "l2-1e-5", "100"]),
    *(["folds", "l2-1e-5", "1"], ["folds", "l2-1e-5", "2"], ["beyond", "conv-5min", "100"]),
    *(["tune", "final"], ["winner", "final", "100"]),
    *(["evaluate", group] for group in ("baseline", "scale", "regularise", "ablation", "tune", "beyond")),
    ["report"],
)


def test_every_stage_follows_images_of_ones_own(project: Project, tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 20)
    project.set_params(**{"fetch.dataset": "folder", "fetch.path": str(folder), "train.epochs": 2})
    project.keep("tune.searches", "final")
    project.set_params(**{"tune.searches.final.space.units_1": [8], "tune.searches.final.space.units_2": [8]})
    project.keep("ablation.runs", "l2-1e-5")
    project.keep("scale.architectures", "shallow")
    project.succeed("dvc", "repro", "--quiet", "preprocess")
    for words in STAGES:
        project.stage(*words)
    dataset = json.loads((project.folder / "metrics/dataset.json").read_text())
    assert dataset["dataset"] == "folder"
    assert dataset["content_sha256"] == own_images.read(folder)[2]
    card = (project.folder / "metrics/model_card.md").read_text()
    assert "which of 3 classes" in card
    assert "blue, dark" in card
    predicted = json.loads(project.stage("predict", "--json", str(folder / "red")))
    assert len(predicted) == 20
    # A class has 20 images; a fifth of them are test images.
    folds = {
        f"l2-1e-5-{fold}": {"group": "ablation", "run": "l2-1e-5", "fold": fold, "of": 17} for fold in range(1, 18)
    }
    project.set_params(folds=folds)
    ended = project.call("folds", "l2-1e-5", "1")
    line = r"folds: class .+ has 16 training and validation images; allowed: 17 at least\n"
    assert (ended.returncode, bool(re.fullmatch(line, ended.stderr))) == (1, True)
    ended = project.run("dvc", "repro", "fetch", "--quiet", "-f")
    assert ended.returncode == 0
    project.set_params(**{"fetch.path": ""})
    ended = project.call("fetch")
    assert (ended.returncode, ended.stderr) == (
        1,
        "fetch: params.yaml: fetch.path is empty; allowed where fetch.dataset is folder: a directory, tar or zip "
        "archive\n",
    )
