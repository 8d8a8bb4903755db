"""Images of the user's own: any size and mode, in a directory or an archive, and what is refused."""

import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common import own_images
from pipeline.common.command import UserError
from pipeline.common.pictures import decode
from tests.conftest import Project

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue, dark": (20, 20, 120)}


def picture(
    colour: tuple[int, int, int], number: int = 0, kind: str = "PNG", size: tuple[int, int] = (50, 40)
) -> bytes:
    """Noise around a colour."""
    noise = np.random.default_rng(number).integers(-20, 20, (size[1], size[0], 3))
    content = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(content, kind)
    return content.getvalue()


def lay_out(folder: Path, per_class: int, parts: tuple[str, ...] = ("",)) -> Path:
    for part in parts:
        for name, colour in COLOURS.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(per_class):
                (folder / part / name / f"{number}.png").write_bytes(picture(colour, number))
    return folder


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def test_every_mode_becomes_colour() -> None:
    grey = Image.new("L", (64, 48), 100)
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([10, 20, 30] * 256)
    cases = [
        (saved(grey, "PNG"), (100, 100, 100)),
        (saved(grey.convert("1"), "PNG"), None),
        (saved(palette, "GIF"), (10, 20, 30)),
        (saved(palette, "PNG", transparency=0), (255, 255, 255)),
        (saved(Image.new("RGBA", (33, 99), (255, 0, 0, 0)), "PNG"), (255, 255, 255)),
        (saved(Image.new("LA", (33, 99), (0, 255)), "PNG"), (0, 0, 0)),
        (saved(Image.fromarray(np.full((20, 20), 32896, np.uint16)), "PNG"), (128, 128, 128)),
        (saved(Image.new("CMYK", (20, 20), (0, 0, 0, 255)), "JPEG"), None),
        (saved(Image.new("RGB", (1, 1), (1, 2, 3)), "BMP"), (1, 2, 3)),
    ]
    for content, colour in cases:
        pixels = decode(content, "image")
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == np.uint8
        if colour:
            assert (pixels == colour).all(), pixels[0, 0]


def test_exif_data_that_cannot_be_written_again_are_a_clear_error() -> None:
    entries = struct.pack("<H2HIi2HIHHI", 2, 256, 9, 1, -1, 274, 3, 1, 6, 0, 0)
    content = saved(Image.new("RGB", (40, 40)), "JPEG", exif=b"Exif\0\0II*\0" + struct.pack("<I", 8) + entries)
    with pytest.raises(UserError, match=r"odd\.jpg: not a readable image"):
        decode(content, "odd.jpg")


def test_an_image_is_turned_as_its_exif_data_say() -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32] = 255
    exif = Image.Exif()
    exif[274] = 6  # the camera lay on its side: turn clockwise
    turned = decode(saved(Image.fromarray(halves), "JPEG", exif=exif, quality=95), "image")
    assert turned[:8].mean() > 240
    assert turned[-8:].mean() < 15


def test_the_middle_square_is_taken() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    assert decode(saved(Image.fromarray(wide), "PNG"), "image").mean() > 250


def test_a_directory_and_an_archive_of_it_are_the_same(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "mine", 5, ("train", "test"))
    (folder / ".DS_Store").write_bytes(b"x")
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as archive:
        archive.add(folder, "mine")
    (images, names, digest), (others, *rest) = own_images.read(folder), own_images.read(tmp_path / "mine.tar.gz")
    assert names == ("blue, dark", "green", "red")
    assert rest[0] == names
    for part, other in ((images.train, others.train), (images.test, others.test)):
        np.testing.assert_array_equal(part.images, other.images)
        np.testing.assert_array_equal(part.labels, other.labels)
        assert np.bincount(part.labels).tolist() == [5, 5, 5]
    (folder / "train/red/0.png").write_bytes(picture(COLOURS["red"], 77))
    assert own_images.read(folder)[2] != digest


def test_one_level_is_divided_by_class(tmp_path: Path) -> None:
    images, _, _ = own_images.read(lay_out(tmp_path / "mine", 10))
    assert np.bincount(images.train.labels).tolist() == [8, 8, 8]
    assert np.bincount(images.test.labels).tolist() == [2, 2, 2]


def remove_class(folder: Path) -> None:
    for file in (folder / "test/red").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "train/red/0.png").write_bytes(b"GIF89a"), r"train/red/0.png: not a readable image"),
        (
            lambda folder: (folder / "train/red/9.png").write_bytes(b""),
            r"train/red/9.png: not a readable image \(it is empty",
        ),
        (
            lambda folder: (folder / "test/red/0.png").write_bytes(picture((1, 2, 3), size=(500, 500))[:5000]),
            r"test/red/0.png: not a readable image",
        ),
        (lambda folder: (folder / "stray.png").write_bytes(picture((1, 2, 3))), r"stray.png is in no class"),
        (remove_class, r"no images of class red in test"),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, spoil: object, message: str) -> None:
    folder = lay_out(tmp_path / "mine", 2, ("train", "test"))
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        own_images.read(folder)


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine cannot be divided into train and test"):
        own_images.read(lay_out(tmp_path / "mine", 1))
    (tmp_path / "one" / "class").mkdir(parents=True)
    (tmp_path / "one/class/1.png").write_bytes(picture((1, 2, 3)))
    with pytest.raises(UserError, match=r"one has 1 classes; allowed: 2 to 256"):
        own_images.read(tmp_path / "one")
    with pytest.raises(UserError, match=r"fetch.path is .*nowhere; allowed: a directory or tar archive"):
        own_images.read(tmp_path / "nowhere")


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
    assert dataset["sha256"] == own_images.read(folder)[2]
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
        "fetch: params.yaml: fetch.path is empty; allowed with fetch.dataset folder: a directory or tar archive\n",
    )
