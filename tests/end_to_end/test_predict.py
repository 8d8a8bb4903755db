"""Prediction on files of all kinds, with a model that a stage has trained."""

import json
import struct
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


def test_a_line_names_each_file_whole(project: Project) -> None:
    names = [f"{'long-' * 30}{number}.png" for number in range(2)]
    for name in names:
        Image.new("RGB", (8, 8)).save(project.folder / name)
    printed = project.stage("predict", "images/007.png", *names, "--top", "2", *MODEL, COLUMNS="40")
    lines = [line.split("\t") for line in printed.splitlines()]
    assert [line[0] for line in lines] == ["images/007.png", *names]
    assert {len(line) for line in lines} == {1 + 2 * 2}


def test_brackets_in_a_name_are_printed_as_they_are(project: Project) -> None:
    (project.folder / "a[").mkdir()
    names = ["cat[small].png", "a[/b].png"]
    for name in names:
        Image.new("RGB", (8, 8)).save(project.folder / name)
    printed = project.stage("predict", *names, *MODEL)
    for name in names:
        assert name in printed


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(project: Project) -> None:
    (project.folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    # A texture whose compression Pillow does not know, which is no error of its own.
    fields = struct.pack("<7I", 124, 0x1007, 8, 8, 0, 0, 0) + bytes(44) + struct.pack("<2I", 32, 4) + b"ZZZZ"
    (project.folder / "unknown.dds").write_bytes(b"DDS " + fields + bytes(40 + 64))
    Image.new("F", (8, 8), 0.5).save(project.folder / "float.tif")
    (project.folder / "empty").mkdir()
    bad = ["broken.jpg", "unknown.dds", "float.tif", "empty", "gone.png"]
    ended = project.run("python", "-m", "pipeline.predict", "images/000.png", *bad, "images/001.png", *MODEL)
    assert ended.returncode == 1
    assert [line.split("\t")[0] for line in ended.stdout.splitlines()] == ["images/000.png", "images/001.png"]
    *unreadable, gone, empty, count = ended.stderr.splitlines()
    assert [line.partition(": not a readable image (")[0] for line in unreadable] == bad[:3]
    assert empty == "empty: a folder without images"
    assert gone == "gone.png: No such file or directory"
    assert count == "predict: 5 of 7 images could not be read"


def test_only_an_empty_folder_is_an_error(project: Project) -> None:
    (project.folder / "nothing").mkdir()
    ended = project.call("predict", "nothing", *MODEL)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[0] == "nothing: a folder without images"


@pytest.mark.parametrize("top", ["0", "-1", "x", "1.5", ""])
def test_top_is_a_whole_number_from_one(project: Project, top: str) -> None:
    ended = project.call("predict", "images/000.png", f"--top={top}", *MODEL)
    said = f"predict: --top is {top or 'empty'}; allowed: a whole number from 1\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)


def test_more_classes_than_there_are_is_all_of_them(project: Project) -> None:
    (line,) = project.stage("predict", "images/000.png", "--top", "99", *MODEL).splitlines()
    assert len(line.split("\t")) == 1 + 2 * 10


@pytest.mark.parametrize("model", ["images", "params.yaml"])
def test_what_is_no_model_is_a_clear_error(project: Project, model: str) -> None:
    ended = project.call("predict", "images/000.png", "--model", model)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"predict: {model}: not a model that Keras can open in safe mode (")


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
