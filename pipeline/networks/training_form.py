"""The form of a model that is trained: the same layers up to the logits, with dropout that is derived from the step."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pipeline.networks.backend import keras, tf
from pipeline.networks.draws import Draws, Use
from pipeline.networks.fast_layers import FusedNormalisation, ScaledDense, TurnedConvolution

_drawing: ContextVar[tuple[Draws, Any, Any]] = ContextVar("drawing")


@contextmanager
def drawing(draws: Draws, thresholds: Any, scales: Any) -> Iterator[None]:
    """Within it, the dropout layers of a model in its training form drop values by ``draws``.

    ``thresholds``, uint32 (layers,): a value is dropped where its word is below that of its layer; ``scales``, float32
    (layers,): what the values that stay are multiplied by.
    """
    token = _drawing.set((draws, thresholds, scales))
    try:
        yield
    finally:
        _drawing.reset(token)


class DerivedDropout(keras.layers.Layer):  # type: ignore[misc]
    """Inverted dropout (Srivastava et al., 2014), number ``index`` of a model, as :func:`drawing` says.

    The rate is met to 2^-32.
    """

    def __init__(self, index: int, **options: Any) -> None:
        super().__init__(**options)
        self._index = index

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Values (images, ...), in training with some of them dropped."""
        if not training:
            return inputs
        draws, thresholds, scales = _drawing.get()
        words = draws.words(Use.DROPOUT + self._index, tf.shape(inputs)[0], inputs.shape[1:].num_elements())
        kept = tf.reshape(words, tf.shape(inputs)) >= thresholds[self._index]
        return tf.where(kept, inputs * tf.cast(scales[self._index], inputs.dtype), tf.zeros_like(inputs))


def logits_model(model: keras.Model, policy: str = "float32") -> keras.Model:
    """A copy of ``model`` with weights of its own that ends with its layer "logits".

    ``policy``, Keras' dtype policy, is that of its layers, except for rescalings, whose factors bfloat16 would round,
    the images' frequencies, of which the high ones are small differences, and the logits. Where a dense layer is
    the first to see the rescaled images, it scales its product; a convolution at every place is a turned one, and
    batch normalisation is fused.
    """
    order = iter(range(len(model.layers)))
    rescaling, scaled = _scaled_after(model)

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        exact = isinstance(layer, keras.layers.Rescaling) or layer.name.startswith(("frequencies", "logits"))
        config = layer.get_config() | {"dtype": "float32" if exact else policy}
        if isinstance(layer, keras.layers.Dropout):
            return DerivedDropout(next(order), name=layer.name, dtype=config["dtype"])
        if layer is rescaling:
            return keras.layers.Identity(name=layer.name)
        if _normalises_channels(layer):
            return FusedNormalisation.from_config(config)
        if _at_every_place(layer):
            return TurnedConvolution.from_config(config)
        if layer is scaled:
            factors = keras.DTypePolicy(policy).compute_dtype
            own = {"scale": rescaling.scale, "factors": factors, "kernel_regularizer": None}
            return ScaledDense.from_config(config | own)
        return type(layer).from_config(config)

    ending_with_logits = keras.Model(model.inputs[0], model.get_layer("logits").output)
    return keras.models.clone_model(ending_with_logits, clone_function=copied)


def _scaled_after(model: keras.Model) -> tuple[Any, Any]:
    """The rescaling of ``model`` and the dense layer whose product it may scale; None and None where there is none."""
    kinds = keras.layers
    begin = [layer for layer in model.layers if not isinstance(layer, kinds.InputLayer)][:3]
    match begin:
        case [kinds.Rescaling(offset=0), kinds.Flatten(), kinds.Dense()]:
            return begin[0], begin[2]
    return None, None


def _normalises_channels(layer: keras.layers.Layer) -> bool:
    """Whether ``layer`` is a plain batch normalisation of values (images, channels) or of images, by channel."""
    return (
        isinstance(layer, keras.layers.BatchNormalization)
        and len(layer.output.shape) in (2, 4)
        and layer.axis in (-1, len(layer.output.shape) - 1)
        and not layer.synchronized
        and not layer.renorm
    )


def _at_every_place(layer: keras.layers.Layer) -> bool:
    """Whether ``layer`` convolves around every place by a kernel of odd sides, and does nothing else."""
    return (
        isinstance(layer, keras.layers.Conv2D)
        and (layer.padding, layer.strides, layer.dilation_rate, layer.groups) == ("same", (1, 1), (1, 1), 1)
        and all(side % 2 for side in layer.kernel_size)
        and not layer.use_bias
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
    )


def thresholds_and_scales(model: keras.Model) -> tuple[Any, Any]:
    """What :func:`drawing` needs to know of the dropout layers of ``model``, in their order."""
    rates = [float(layer.rate) for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    thresholds = tf.constant([round(rate * 2**32) for rate in rates], tf.uint32)
    return thresholds, tf.constant([1 / (1 - rate) for rate in rates], tf.float32)


def convolves(model: keras.Model) -> bool:
    """Whether a layer of ``model`` multiplies by a kernel with a window."""
    return any(len(weight.shape) > 2 for weight in model.weights)


def penalties(model: keras.Model) -> dict[int, float]:
    """The factors of L2 penalties, by the place of the penalised kernel among the trainable weights of ``model``.

    Raises ValueError for a regulariser that is not L2 of a kernel.
    """
    places = {id(variable): place for place, variable in enumerate(model.trainable_variables)}
    found: dict[int, float] = {}
    for layer in model.layers:
        for name in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            regulariser = getattr(layer, name, None)
            if regulariser is None:
                continue
            if name != "kernel_regularizer" or type(regulariser) is not keras.regularizers.L2:
                raise ValueError(f"{layer.name}.{name}: only an L2 penalty on a kernel can be trained")
            found[places[id(layer.kernel)]] = float(regulariser.l2)
    return found
