"""Several looks at an image: a model that averages what a trained network says of the image and of changed copies."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.networks.backend import keras


def averaged(network: keras.Model, looks: str) -> keras.Model:
    """A model of the same form whose probabilities are those of ``network`` averaged over ``looks`` at an image.

    "one": ``network`` itself. "mirrored": the image and its mirror image. "mirrored-shifted": that with weight 1/2,
    and with 1/4 each the same of the image shifted by one pixel down and right, and up and left, the border reflected.
    These are the looks of Jordan (2024), who averages logits. ``network`` becomes a layer of the model, and shares its
    weights.
    """
    if looks == "one":
        return network
    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    if looks == "mirrored":
        average = _average(network, [image], "average")
    else:
        halves = _average(network, [image], "average_unshifted"), _average(network, _shifted(image), "average_shifted")
        average = keras.layers.Average(name="average")(halves)
    return keras.Model(image, average, name=f"{looks}_{network.name}")


def _average(network: keras.Model, seen: list[Any], name: str) -> Any:
    answers = [network(look) for original in seen for look in (original, keras.ops.flip(original, axis=2))]
    return keras.layers.Average(name=name)(answers)


def _shifted(image: Any) -> list[Any]:
    height, width = image.shape[1:3]
    bordered = keras.ops.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    return [bordered[:, first : first + height, first : first + width] for first in (0, 2)]


def by_hand(
    answers: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]], images: npt.NDArray[np.uint8], looks: str
) -> npt.NDArray[np.float32]:
    """The average, float32 (n, classes), of a network's ``answers`` to ``looks`` at uint8 ``images`` (n, 32, 32, 3)."""
    if looks == "one":
        return answers(images)
    bordered = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    seen = {"mirrored": [images], "mirrored-shifted": [images, bordered[:, :-2, :-2], bordered[:, 2:, 2:]]}[looks]
    mirrored = [(answers(look) + answers(look[:, :, ::-1])) / 2 for look in seen]
    average: npt.NDArray[np.float32] = np.average(mirrored, axis=0, weights=[2, 1, 1][: len(seen)])
    return average


def network_of(model: keras.Model) -> keras.Model:
    """The trained network: ``model``, or the layer of it whose answers it averages."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model)), model)


def with_one_look(model: keras.Model) -> keras.Model | None:
    """``model`` with a second output: what its network says of the image as it is, computed once for both.

    None where the model averages nothing.
    """
    averages = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Average)}
    if not averages:
        return None
    unshifted = averages["average_unshifted" if "average_unshifted" in averages else "average"]
    return keras.Model(model.input, [model.output, unshifted.input[0]])
