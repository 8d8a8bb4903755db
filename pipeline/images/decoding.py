"""Image files of any size and mode, brought to what the networks take."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.files.errors import UserError
from pipeline.files.names import printable
from pipeline.images.colour import rgb

SIDE = 32

# Decoders may leave out detail above so many pixels a side (JPEG: by a power of two), which makes photographs fast.
_DRAFT = 4 * SIDE

# Pillow refuses twice as many pixels as it warns of; up to there an image is read, so the warning says nothing.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """The middle square of the image file ``content``, uint8 (32, 32, 3), upright as its EXIF data say.

    Grey becomes three equal channels, what is transparent white. ``name`` is for the message: raises
    :class:`UserError` where ``content`` is not an image, one cut short, or one whose white is not known.
    """
    try:
        return np.asarray(ImageOps.fit(rgb(content, _DRAFT), (SIDE, SIDE), Image.Resampling.LANCZOS))
    except Exception as error:  # noqa: BLE001 -- Pillow's plugins raise whatever they stumble over
        raise UserError(f"{printable(name)}: not a readable image ({_reason(content, error)})") from None


def _reason(content: bytes, error: Exception) -> str:
    if not content:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return "no format that Pillow knows, or a damaged header"
    return " ".join(str(error).split()) or type(error).__name__


def decode_file(path: Path) -> npt.NDArray[np.uint8] | str:
    """The image at ``path`` as :func:`decode` gives it, or what is wrong with it."""
    try:
        return decode(path.read_bytes(), str(path))
    except UserError as error:
        return str(error)
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "too large for the memory"
        return f"{printable(str(path))}: {reason}"
