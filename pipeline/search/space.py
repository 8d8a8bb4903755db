"""The space of a search as Keras Tuner knows it."""

from pipeline.params.search import Axis, SearchParams
from pipeline.search.tuner import keras_tuner


def space(search: SearchParams) -> keras_tuner.HyperParameters:
    """The axes of ``search``; what belongs to a layer exists only where that layer does."""
    result = keras_tuner.HyperParameters()
    for name in ("layers", "learning_rate", "dropout", "l2"):
        if name in search.space:
            _add(result, name, search.space[name])
    for layer in range(1, max(search.layers) + 1):
        deep_enough = [layers for layers in search.layers if layers >= layer]
        with result.conditional_scope("layers", deep_enough):
            for name in (f"units_{layer}", f"dropout_{layer}", f"l2_{layer}"):
                if name in search.space:
                    _add(result, name, search.space[name])
    return result


def _add(result: keras_tuner.HyperParameters, name: str, axis: Axis) -> None:
    whole = name == "layers" or name.startswith("units_")
    if axis.values is not None:
        # Steps too: Keras Tuner's own lose their last value to rounding.
        result.Choice(name, [int(value) if whole else value for value in axis.values])
    else:
        result.Float(name, axis.min, axis.max, sampling=axis.sampling)
