"""The whole graph on images of the user's own."""

import json
from pathlib import Path

from pipeline.images import folders
from tests.conftest import Project
from tests.images.test_folders import lay_out


def test_the_whole_graph_follows_images_of_ones_own(project: Project, tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 20)
    project.set_params(**{"fetch.dataset": "folder", "fetch.path": str(folder), "train.epochs": 2})
    project.keep("tune.searches", "final")
    project.set_params(**{"tune.searches.final.space.units_1": [8], "tune.searches.final.space.units_2": [8]})
    project.keep("ablation.runs", "l2-1e-5")
    project.keep("scale.architectures", "shallow")
    project.succeed("dvc", "repro", "--quiet")
    dataset = json.loads((project.folder / "metrics/dataset.json").read_text())
    assert dataset["dataset"] == "folder"
    assert dataset["sha256"] == folders.read(folder)[2]
    card = (project.folder / "metrics/model_card.md").read_text()
    assert "which of 3 classes" in card
    assert "blue, dark" in card
    predicted = json.loads(project.succeed("python", "-m", "pipeline.predict", "--json", str(folder / "red")))
    assert len(predicted) == 20
    ended = project.run("dvc", "repro", "fetch", "--quiet", "-f")
    assert ended.returncode == 0
    project.set_params(**{"fetch.path": ""})
    ended = project.run("python", "-m", "pipeline.fetch")
    assert (ended.returncode, ended.stderr) == (
        1,
        "fetch: params.yaml: fetch.path is empty; allowed where fetch.dataset is folder: a directory or tar archive\n",
    )
