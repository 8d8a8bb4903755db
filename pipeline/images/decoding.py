"""Image files of any size and mode, brought to what the networks take."""

import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipeline.files.errors import UserError

SIDE = 32

# Decoders may leave out detail above so many pixels a side (JPEG: by a power of two), which makes photographs fast.
_DRAFT = 4 * SIDE


def decode(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """The middle square of the image file ``content``, uint8 (32, 32, 3), upright as its EXIF data say.

    Grey becomes three equal channels, what is transparent white. ``name`` is for the message: raises
    :class:`UserError` where ``content`` is not an image, or one cut short.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (_DRAFT, _DRAFT))
            upright = ImageOps.exif_transpose(image)
            return np.asarray(ImageOps.fit(_colour(upright), (SIDE, SIDE), Image.Resampling.LANCZOS))
    # What Pillow raises for damaged files, besides its own errors, comes from wherever it stumbles.
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        ArithmeticError,
        TypeError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        reason = str(error) if len(content) else "it is empty"
        raise UserError(
            f"{name}: not a readable image ({reason.replace(' <_io.BytesIO object', '').strip()})"
        ) from None


def _colour(image: Image.Image) -> Image.Image:
    """``image`` in the mode RGB."""
    if image.mode.startswith("I"):
        # Pillow cuts 16 bits off at 255 instead of scaling them.
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def decode_file(path: Path) -> npt.NDArray[np.uint8] | str:
    """The image at ``path`` as :func:`decode` gives it, or what is wrong with it."""
    try:
        return decode(path.read_bytes(), str(path))
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"
