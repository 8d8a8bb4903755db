"""What a stage multiplies, counted from params.yaml before anything is trained and without TensorFlow."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np

from pipeline.files.artefacts import read_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.images import catalogue
from pipeline.params import runs
from pipeline.params.reading import Params
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.params.search import SearchParams

_SIDE, _COLOURS = 32, 3
_PREPARED = Path("data/prepared")
_CATALOGUE = Path(catalogue.__file__).with_suffix(".yaml")


def multiply_adds(network: Network, classes: int) -> int:
    """Multiplications with addition that one image costs in training, as :mod:`pipeline.networks.cost` counts them."""
    # Forward, and backward for kernel and input; but training needs no gradient of the image, of a fixed kernel, or of
    # the input of the layer after a fixed one.
    if isinstance(network, DenseNetwork):
        inputs, before = _frequencies(network)
        layers = [given * made for given, made in pairwise([inputs, *network.units, classes])]
        return before + 3 * sum(layers) - layers[0]
    layers = _convolutions(network, classes)
    total = 3 * sum(layers) - layers[0]
    return total - layers[0] - layers[1] if network.whitening else total


def _frequencies(network: DenseNetwork) -> tuple[int, int]:
    """How many numbers the first hidden layer sees, and what the fixed layers before it multiply."""
    count = network.frequencies
    if not count:
        return _SIDE * _SIDE * _COLOURS, 0
    return count * count * _COLOURS, count * _COLOURS * _SIDE * (_SIDE * _COLOURS + count)


def _convolutions(network: ConvolutionalNetwork, classes: int) -> list[int]:
    channels, side = 2 * 2 * 2 * 3, 31
    layers = [2 * 2 * 3 * channels * side * side]
    for width in network.widths:
        layers.append(9 * channels * width * side * side)
        channels, side = width, side // 2
        layers.append(9 * width * width * side * side)
    return [*layers, channels * classes]


def known(params: Params) -> catalogue.Entry | None:
    """What the catalogue says of the data set that is chosen; None for images of the user's own."""
    return catalogue.read(_CATALOGUE).get(params.fetch.dataset)


def data_set(params: Params) -> tuple[int, int] | None:
    """How many training images and how many classes there are; None where neither data/ nor the catalogue says so."""
    try:
        if read_json(Path("metrics/dataset.json"))["dataset"] == params.fetch.dataset:
            labels = np.load(_PREPARED / "train" / "labels.npy", mmap_mode="r")
            return len(labels), len(read_json(_PREPARED / "class_names.json"))
    except (OSError, ValueError, EOFError, TypeError, UserError):
        # Not fetched yet, being written or damaged: the catalogue says it too.
        pass
    entry = known(params)
    if entry is None or entry.images_per_class is None:
        return None
    classes = len(entry.class_names)
    return round(entry.images_per_class["train"] * classes * (1 - params.split.validation_fraction)), classes


def of_stage(words: Sequence[str], params: Params, data: tuple[int, int] | None) -> int | None:
    """What the stage that is called with ``words`` (its kind, run, seed or fold) multiplies at most; None: no training.

    ``data`` is what :func:`data_set` says. Of a search it is the mean network of its space for all planned epochs.
    """
    if data is None or not words:
        return None
    images, classes = data
    kind, name = words[0], words[1] if len(words) > 1 else ""
    if kind in ("tune", "winner"):
        search = params.tune.searches[name]
        epochs = search.planned_epochs if kind == "tune" else search.max_epochs
        return round(_mean_of_space(search, classes) * epochs * images)
    if kind == "folds":
        run: Run = (fold := runs.find_fold(params, name, words[2]))
        images = round(images / (1 - params.split.validation_fraction) * (1 - 1 / fold.of))
    elif kind in runs.SECTION_OF:
        run = runs.find(params, kind, kind if len(words) == 2 else name)
    else:
        return None
    network, recipe = runs.trained(params, run)
    return multiply_adds(network, classes) * recipe.epochs * images


def _mean_of_space(search: SearchParams, classes: int) -> float:
    means = []
    for layers in search.layers:
        axes = (search.space[f"units_{layer}"] for layer in range(1, layers + 1))
        units = tuple(round(math.fsum(axis.limits) / 2) for axis in axes)
        means.append(multiply_adds(runs.uniform(units), classes))
    return fmean(means)
