"""Image files of any size and mode, and what is not readable."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from pipeline.files.errors import UserError
from pipeline.images.decoding import decode, decode_file
from tests.conftest import ROOT


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


def kind(value: object) -> str | None:
    """For the name of a test: bytes are too long for it."""
    return Image.open(io.BytesIO(value)).format if isinstance(value, bytes) else None


def png(bits: int, colour: int, row: bytes, transparent: bytes = b"", *, exif: bytes = b"", side: int = 8) -> bytes:
    """A PNG file of eight equal rows, of which Pillow can write only some kinds."""
    size = struct.pack(">II", side, side)
    chunks = {
        b"IHDR": size + bytes([bits, colour, 0, 0, 0]),
        b"eXIf": exif,
        b"PLTE": bytes(range(6)) if colour == 3 else b"",
        b"tRNS": transparent,
        b"IDAT": zlib.compress((b"\0" + row) * 8),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
        if data or kind == b"IEND"
    )


def tiff(interpretation: int, bits: tuple[int, ...], pixels: bytes, **tags: int) -> bytes:
    """A TIFF file of 8 times 8 ``pixels``, or of so few that they are repeated."""
    known = {"sample_format": 339, "extra_samples": 338, "orientation": 274}
    entries = {256: (8,), 257: (8,), 258: bits, 259: (1,), 262: (interpretation,), 273: (8,), 277: (len(bits),)}
    size = 8 * sum(bits)
    entries |= {278: (8,), 279: (size,)} | {known[name]: (value,) for name, value in tags.items()}
    begins = 8 + size
    directory, more = struct.pack("<H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        content = struct.pack(f"<{len(values)}H", *values)
        if len(content) > 4:
            place, more = begins + 6 + 12 * len(entries) + len(more), more + content
            content = struct.pack("<I", place)
        directory += struct.pack("<HHI", tag, 3, len(values)) + content.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", begins) + (pixels * size)[:size] + directory + bytes(4) + more


# The left half of each is transparent, the right half opaque.
@pytest.mark.parametrize(
    ("content", "opaque"),
    [
        (png(1, 0, b"\xf0", b"\0\1"), (0, 0, 0)),
        (png(1, 0, b"\x0f", b"\0\0"), (255, 255, 255)),
        (png(2, 0, b"\x55\xaa", b"\0\1"), (170, 170, 170)),
        (png(4, 0, b"\x66\x66\x77\x77", b"\0\6"), (119, 119, 119)),
        # The other bits of what names the shade mean nothing.
        (png(4, 0, b"\x66\x66\x77\x77", b"\xff\xf6"), (119, 119, 119)),
        (png(8, 0, b"ddddeeee", b"\0d"), (101, 101, 101)),
        # The same upper byte is not the same shade.
        (png(16, 0, b"\x80\x01" * 4 + b"\x80\x80" * 4, b"\x80\x01"), (128, 128, 128)),
        (png(8, 2, b"abc" * 4 + b"abd" * 4, b"\0a\0b\0c"), (97, 98, 100)),
        (png(16, 2, b"a\1b\1c\1" * 4 + b"a\1b\1c\2" * 4, b"a\1b\1c\1"), (97, 98, 99)),
        (png(8, 3, b"\0\0\0\0\1\1\1\1", b"\0"), (3, 4, 5)),
        (png(2, 3, b"\x00\x55", b"\0\xff"), (3, 4, 5)),
        (png(8, 4, b"d\0" * 4 + b"d\xff" * 4), (100, 100, 100)),
        (png(16, 4, b"d\0\0\0" * 4 + b"d\0\xff\xff" * 4), (100, 100, 100)),
        (png(8, 6, b"abc\0" * 4 + b"abc\xff" * 4), (97, 98, 99)),
        (png(16, 6, b"a\0b\0c\0\0\0" * 4 + b"a\0b\0c\0\xff\xff" * 4), (97, 98, 99)),
    ],
    ids=kind,
)
def test_what_is_transparent_becomes_white(content: bytes, opaque: tuple[int, int, int]) -> None:
    pixels = decode(content, "image")
    # Enlarging mixes what lies nearer to the middle.
    assert (pixels[:, :3] == 255).all(), pixels[0, 0]
    assert (pixels[:, -3:] == opaque).all(), pixels[0, -1]


def test_half_transparent_grey_becomes_lighter_in_every_mode() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([16] * 768)
    palette = palette.convert("PA")
    palette.putalpha(128)
    premultiplied = tiff(1, (8, 8), b"\x08\x80", extra_samples=1)
    assert Image.open(io.BytesIO(premultiplied)).mode == "La"
    cases = [
        premultiplied,
        tiff(1, (8, 8), b"\x10\x80", extra_samples=2),
        tiff(2, (8, 8, 8, 8), b"\x08\x08\x08\x80", extra_samples=1),
        saved(Image.new("RGBA", (8, 8), (16, 16, 16, 128)), "WEBP", lossless=True),
        saved(palette, "TIFF"),
    ]
    for content in cases:
        assert np.abs(decode(content, "image").astype(int) - 135).max() <= 1


@pytest.mark.parametrize(
    ("content", "shade"),
    [
        (tiff(1, (16,), b"\x80\x80"), 128),
        (tiff(0, (16,), b"\x40\x40"), 191),
        (tiff(0, (8,), b"\x40"), 191),
        (tiff(1, (12,), b"\x80\x88\x08"), 128),
        (saved(Image.new("I;16B", (8, 8), 32896), "TIFF"), 128),
        (saved(Image.new("I;16", (8, 8), 32896), "JPEG2000"), 128),
        (b"P5 8 8 4095\n" + b"\x08\x08" * 64, 128),
        (saved(Image.new("YCbCr", (8, 8), (100, 128, 128)), "TIFF"), 100),
        (saved(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), 255),
        (saved(Image.new("CMYK", (8, 8), (0, 0, 0, 155)), "TIFF"), 100),
    ],
    ids=kind,
)
def test_shades_keep_their_place_between_black_and_white(content: bytes, shade: int) -> None:
    pixels = decode(content, "image")
    assert np.abs(pixels.astype(int) - shade).max() <= 1, pixels[0, 0]


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (saved(Image.new("F", (8, 8), 0.5), "TIFF"), "floats, and nothing in TIFF"),
        (saved(Image.new("F", (8, 8), 0.5), "PPM"), "floats"),
        (saved(Image.new("I", (8, 8), 128), "TIFF"), "signed integers"),
        (tiff(1, (32,), b"\0\0\0\x80"), "integers of 32 bits"),
        (tiff(1, (16,), b"\0\x40", sample_format=2), "signed integers"),
        (tiff(1, (8,), b"\x80", sample_format=2), "signed integers"),
        (
            b"".join(
                line.ljust(80)
                for line in (b"SIMPLE  = T", b"BITPIX  = 16", b"NAXIS   = 2", b"NAXIS1  = 8", b"NAXIS2  = 8", b"END")
            ).ljust(2880)
            + b"\x40\0" * 64,
            "integers of 16 bits, and nothing in FITS",
        ),
    ],
    ids=kind,
)
def test_numbers_whose_white_nothing_names_are_refused(content: bytes, numbers: str) -> None:
    with pytest.raises(
        UserError, match=rf"deep\.tif: not a readable image \(its pixels are {numbers}.*; allowed: 8 bits"
    ):
        decode(content, "deep.tif")


class Stumbling(ImageFile.ImageFile):
    """A format in which whatever a plugin may raise is raised, when a file is opened or when its pixels are read."""

    format = "STUMBLING"
    error: BaseException
    opens: bool

    def _open(self) -> None:
        self._size, self._mode = (8, 8), "L"
        if not self.opens:
            raise self.error

    def load(self) -> None:
        raise self.error


@pytest.fixture
def stumbling(monkeypatch: pytest.MonkeyPatch) -> type[Stumbling]:
    Image.init()
    monkeypatch.setattr(Image, "ID", [*Image.ID, "STUMBLING"])
    monkeypatch.setitem(Image.OPEN, "STUMBLING", (Stumbling, lambda prefix: prefix.startswith(b"stumbling")))
    return Stumbling


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        *(NotImplementedError("no such\ncompression"), MemoryError(), OverflowError("too large"), KeyError("Mode")),
        *(
            SyntaxError("header"),
            struct.error("short"),
            RuntimeError("codec"),
            AssertionError(),
            ImageCms.PyCMSError("x"),
        ),
        *(
            AttributeError("None"),
            zlib.error("x"),
            UnicodeDecodeError("ascii", b"\xff", 0, 1, "x"),
            RecursionError("x"),
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_pillow_raises_is_one_line(
    stumbling: type[Stumbling], error: BaseException, opens: bool, tmp_path: Path
) -> None:
    stumbling.error, stumbling.opens = error, opens
    (tmp_path / "odd.img").write_bytes(b"stumbling")
    said = decode_file(tmp_path / "odd.img")
    assert isinstance(said, str)
    assert said.startswith(f"{tmp_path}/odd.img: not a readable image (")
    assert len(said.splitlines()) == 1
    assert not said.endswith("()")


def test_a_texture_of_an_unknown_kind_and_a_text_are_one_line_without_addresses() -> None:
    fields = struct.pack("<7I", 124, 0x1007, 8, 8, 0, 0, 0) + bytes(44) + struct.pack("<2I", 32, 4) + b"ZZZZ"
    for content in (b"DDS " + fields + bytes(40 + 64), b"a text\n" * 9, b"\x89HDF\r\n\x1a\n" + bytes(99), b""):
        with pytest.raises(UserError, match=r"^odd: not a readable image \([^\n]+\)$") as raised:
            decode(content, "odd")
        assert "0x" not in str(raised.value)


def test_too_many_pixels_are_refused_and_many_are_no_warning(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(1, 0, b"\xff", side=10000))
    (tmp_path / "larger.png").write_bytes(png(1, 0, b"\xff", side=20000))
    reading = (
        "import sys; from pipeline.images.decoding import decode_file as d; print(*map(d, map(Path, sys.argv[1:])))"
    )
    words = [sys.executable, "-c", f"from pathlib import Path; {reading}", "large.png", "larger.png"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert "larger.png: not a readable image (Image size (400000000 pixels) exceeds" in ended.stdout
    # Eight rows of it are there.
    assert ended.stdout.startswith("large.png: not a readable image (image file is truncated")


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


def test_a_missing_file_is_said_in_one_line(tmp_path: Path) -> None:
    assert decode_file(tmp_path / "gone\n.png") == rf"{tmp_path}/gone\n.png: No such file or directory"


def test_a_file_that_the_memory_cannot_hold_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(path: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_large)
    assert decode_file(tmp_path / "a.png") == f"{tmp_path}/a.png: too large for the memory"
