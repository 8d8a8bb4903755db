"""Image files of any size and mode, and what is not readable."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.files.errors import UserError
from pipeline.images.decoding import decode


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
