"""Pixels of any mode brought to RGB, upright, with white behind what is transparent."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

_SIGNED = 2  # of SAMPLEFORMAT
_WHITE_IS_ZERO = 0  # of PHOTOMETRIC_INTERPRETATION

# The greatest sample of a PNG file by Pillow's name for its layout, where it is not 255.
_GREATEST = {"1": 1, "L;2": 3, "L;4": 15, "I;16B": 65535, "RGB;16B": 65535}


def rgb(content: bytes, draft: int) -> Image.Image:
    """The image file ``content`` in the mode RGB, upright as its EXIF data say; of several frames the first.

    Decoders may leave out detail above ``draft`` pixels a side (JPEG: by a power of two). Raises :class:`ValueError`
    for numbers of which nothing says what is white, and for damaged files whatever Pillow's plugins raise.
    """
    with Image.open(io.BytesIO(content)) as image:
        image.draft("RGB", (draft, draft))
        tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        # The image's tiles are gone once its pixels are read.
        layout = str(image.tile[0].args) if isinstance(image, PngImageFile) else ""
        upright = ImageOps.exif_transpose(image)
        _check_scale(upright.mode, image.format, signed=_SIGNED in tags.get(SAMPLEFORMAT, ()))
    alpha = None
    if layout and upright.mode != "P" and "transparency" in upright.info:
        samples, key = _samples(content, upright, layout), upright.info.pop("transparency")
        alpha = _alpha(samples, key, _GREATEST.get(layout, 255))
    if upright.mode.startswith("I"):
        # Pillow cuts 16 bits off at 255 instead of scaling them, and does not turn them where white is zero.
        white = 2 ** tags.get(BITSPERSAMPLE, (16,))[0] - 1
        grey = (np.asarray(upright).astype(np.uint32) * 255 // white).astype(np.uint8)
        upright = Image.fromarray(255 - grey if tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO else grey)
    if alpha is not None:
        upright.putalpha(alpha)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    # Pillow takes a grey image whose shades are multiplied by its alpha to no other mode.
    upright = upright.convert("LA") if upright.mode == "La" else upright
    return Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA")).convert("RGB")


def _check_scale(mode: str, kind: str | None, *, signed: bool) -> None:
    """Raise :class:`ValueError` where files of the format ``kind`` do not say which value of ``mode`` is white."""
    # Pillow brings what a PGM file says to be white to 65535.
    known = {"I": ("PPM",), "F": ()}.get(mode, ("PNG", "TIFF", "JPEG2000"))
    if signed or (mode.startswith(("I", "F")) and kind not in known):
        bits = 16 if mode.startswith("I;16") else 32
        numbers = "signed integers" if signed else "floats" if mode == "F" else f"integers of {bits} bits"
        raise ValueError(
            f"its pixels are {numbers}, and nothing in {kind} says which is white; "
            "allowed: 8 bits a channel, or unsigned 16 in PNG, TIFF, PGM or JPEG 2000"
        )


def _samples(content: bytes, upright: Image.Image, layout: str) -> npt.NDArray[np.integer[Any]]:
    """The samples (height, width[, 3]) of a PNG file without alpha as they are stored, ``upright`` being its image."""
    pixels: npt.NDArray[np.int64] = np.asarray(upright).astype(np.int64)
    if layout != "RGB;16B":
        return pixels // {"L;2": 85, "L;4": 17}.get(layout, 1)
    # Pillow keeps the upper byte of each; told of the other byte order, it keeps the lower.
    with Image.open(io.BytesIO(content)) as image:
        image.tile = [image.tile[0]._replace(args="RGB;16L")]
        lower: npt.NDArray[np.uint8] = np.asarray(ImageOps.exif_transpose(image))
    return pixels * 256 + lower


def _alpha(samples: npt.NDArray[np.integer[Any]], key: int | tuple[int, ...], greatest: int) -> Image.Image:
    """0, transparent, where ``samples`` are the colour ``key``, whose unused bits are ignored, and 255 elsewhere."""
    equal = samples == (np.array(key) & greatest)
    return Image.fromarray(np.where(equal.all(axis=2) if equal.ndim == 3 else equal, 0, 255).astype(np.uint8))
