"""The lowest spatial frequencies of an image: fixed layers at the beginning of a network."""

import numpy as np
import numpy.typing as npt

from pipeline.networks.backend import keras

# Added to each variance: high frequencies, which hardly vary, are not blown up.
EPSILON = 0.1


def layers(count: int, height: int, width: int, channels: int) -> list[keras.layers.Layer]:
    """Layers from images (n, ``height``, ``width``, ``channels``) to their ``count`` lowest frequencies each way.

    They give ``count`` * ``count`` * ``channels`` numbers an image, the discrete cosine transform along height, width
    and colour (Ahmed, Natarajan and Rao, 1974), of which low frequencies hold nearly all that differs between images.
    Each number is then normalised over the batch, with :data:`EPSILON` added to its variance: low frequencies become
    about equally large, and all hardly correlate. The kernels are fixed; :func:`fix` sets them.
    """
    kinds = keras.layers

    def product(values: int, name: str) -> keras.layers.Layer:
        return kinds.Dense(values, use_bias=False, trainable=False, name=f"frequencies_{name}")

    return [
        kinds.Reshape((height, width * channels), name="frequencies_rows"),
        product(count * channels, "across"),
        kinds.Permute((2, 1), name="frequencies_turned"),
        product(count, "down"),
        kinds.Flatten(data_format="channels_last", name="flatten"),
        kinds.BatchNormalization(
            center=False, scale=False, momentum=0.9, epsilon=EPSILON, name="frequencies_normalisation"
        ),
    ]


def fix(model: keras.Model) -> None:
    """Set the kernels of the :func:`layers` that ``model`` begins with."""
    height, width, channels = model.input_shape[1:]
    down, across = (model.get_layer(f"frequencies_{name}") for name in ("down", "across"))
    colours = cosines(channels, channels)
    across.set_weights([np.kron(cosines(width, across.units // channels), colours).T.astype(np.float32)])
    down.set_weights([cosines(height, down.units).T.astype(np.float32)])


def cosines(size: int, count: int) -> npt.NDArray[np.float64]:
    """The first ``count`` rows of the orthonormal discrete cosine transform (type 2) of ``size`` numbers."""
    places, frequencies = np.arange(size) + 0.5, np.arange(count)[:, np.newaxis]
    rows: npt.NDArray[np.float64] = np.cos(np.pi / size * frequencies * places) * np.sqrt(2 / size)
    rows[0] /= np.sqrt(2)
    return rows
