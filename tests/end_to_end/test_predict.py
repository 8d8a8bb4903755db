"""Prediction on files of all kinds, with a model that a stage has trained."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Project


@pytest.fixture(scope="module")
def project(reproduced: Project) -> Project:
    images = np.load(reproduced.folder / "data/prepared/val/images.npy")
    (reproduced.folder / "images").mkdir()
    for number, image in enumerate(images[:60]):
        Image.fromarray(image).save(reproduced.folder / "images" / f"{number:03d}.png")
    return reproduced


MODEL = ("--model", "models/ablation/l2-1e-5/seed-100.keras")


def test_most_images_are_named_rightly(project: Project) -> None:
    printed = project.stage("predict", "images", "--json", *MODEL)
    entries = json.loads(printed)
    assert [Path(entry["file"]).name for entry in entries] == [f"{number:03d}.png" for number in range(60)]
    labels = np.load(project.folder / "data/prepared/val/labels.npy")[:60]
    named = [int(entry["classes"][0]["class"]) for entry in entries]
    assert np.mean(np.array(named) == labels) > 0.5
    for entry in entries:
        chances = [found["probability"] for found in entry["classes"]]
        assert len(chances) == 3
        assert chances == sorted(chances, reverse=True)


def test_the_table_names_each_file(project: Project) -> None:
    printed = project.stage("predict", "images/007.png", "--top", "2", *MODEL)
    (line,) = (line for line in printed.splitlines() if "images/007.png" in line)
    assert len(line.split()) == 1 + 2 * 2


def test_brackets_in_a_name_are_printed_as_they_are(project: Project) -> None:
    (project.folder / "a[").mkdir()
    names = ["cat[small].png", "a[/b].png"]
    for name in names:
        Image.new("RGB", (8, 8)).save(project.folder / name)
    printed = project.stage("predict", *names, *MODEL)
    for name in names:
        assert name in printed


def test_a_broken_file_is_reported_and_the_rest_goes_on(project: Project) -> None:
    (project.folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    ended = project.run(
        "python", "-m", "pipeline.predict", "images/000.png", "broken.jpg", "gone.png", "images/001.png", *MODEL
    )
    assert ended.returncode == 1
    assert "images/000.png" in ended.stdout
    assert "images/001.png" in ended.stdout
    broken, gone, count = ended.stderr.splitlines()
    assert broken.startswith("broken.jpg: not a readable image")
    assert gone == "gone.png: No such file or directory"
    assert count == "predict: 2 of 4 images could not be read"


def test_links_are_followed_and_what_is_no_image_is_told(project: Project) -> None:
    folder = project.folder / "mine"
    folder.mkdir()
    (folder / "linked").symlink_to("../images")
    (folder / "back").symlink_to(".")
    (folder / "gone.png").symlink_to("nowhere")
    for clutter in (".DS_Store", "Thumbs.db"):
        (folder / clutter).write_bytes(b"x")
    ended = project.call("predict", "mine", "--json", *MODEL)
    entries = {entry["file"]: entry for entry in json.loads(ended.stdout)}
    assert {f"mine/linked/{number:03d}.png" for number in range(60)} < set(entries)
    told = [
        "mine/back: a link to a folder that it lies in",
        "mine/gone.png: a link to nowhere: No such file or directory",
    ]
    assert [entry["error"] for entry in entries.values() if "error" in entry] == told
    count = "predict: 2 of 62 images could not be read"
    notice = "predict: passed over 2 hidden or system files, among them mine/.DS_Store"
    assert ended.stderr.splitlines() == [notice, *told, count]


def test_a_missing_model_is_a_clear_error(project: Project) -> None:
    ended = project.call("predict", "images/000.png", "--model", "models/none.keras")
    assert (ended.returncode, ended.stderr) == (
        1,
        "predict: models/none.keras is missing; 'dvc pull' fetches it, 'dvc repro' makes it\n",
    )
    (project.folder / "models/selected.keras").unlink()
    ended = project.call("predict", "images/000.png")
    assert ended.stderr == "predict: models/selected.keras is missing; 'dvc pull' fetches it, 'dvc repro' makes it\n"
