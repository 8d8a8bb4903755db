"""Layers that compute what Keras' own do, in less time: of the form that is trained, never of a saved model."""

from typing import Any

from pipeline.networks.backend import keras, tf

# From so many channels before and after, a product for each place of the kernel is faster in bfloat16 than TensorFlow's
# operation: the same sums.
PRODUCT_CHANNELS = 256


class ScaledDense(keras.layers.Dense):  # type: ignore[misc]
    """A dense layer on ``scale`` times its input. It scales the product, which has fewer numbers than the input.

    ``factors``: the dtype in which input and kernel are multiplied. The numbers 0 to 255 are exact in bfloat16, their
    fractions are not.
    """

    def __init__(self, scale: float, factors: str, **options: Any) -> None:
        super().__init__(**options)
        self._scale, self._factors = scale, factors

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Values (images, units) from whole numbers (images, n)."""
        product = tf.matmul(tf.cast(inputs, self._factors), tf.cast(self.kernel, self._factors))
        # In float32, because bfloat16 would round the scale.
        values = tf.cast(tf.cast(product, tf.float32) * self._scale, self.compute_dtype)
        if self.use_bias:
            values = tf.nn.bias_add(values, self.bias)
        return self.activation(values)


class TurnedConvolution(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution at every place, whose input's gradient is computed as a convolution forward, by the turned kernel.

    That is the same sum. TensorFlow's own operation for it takes up to twice as long on processors. Its operation for
    the gradient of the kernel can be slower too: see :func:`_of_kernel`.
    """

    def call(self, inputs: Any) -> Any:
        """Values (images, height, width, filters) from values (images, height, width, channels)."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def convolved(values: Any, kernel: Any) -> Any:
            def gradients(upstream: Any) -> tuple[Any, Any]:
                turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
                return tf.nn.conv2d(upstream, turned, 1, "SAME"), _of_kernel(values, upstream, kernel.shape)

            return tf.nn.conv2d(values, kernel, 1, "SAME"), gradients

        return convolved(inputs, tf.convert_to_tensor(self.kernel))


def _of_kernel(values: Any, upstream: Any, shape: Any) -> Any:
    """The gradient of a kernel of ``shape``, from ``values`` and ``upstream`` (images, height, width, channels)."""
    if values.dtype == tf.bfloat16 and min(shape[2:]) >= PRODUCT_CHANNELS:
        return kernel_gradient_by_products(values, upstream, shape)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=values, filter_sizes=shape, out_backprop=upstream, strides=[1, 1, 1, 1], padding="SAME"
    )


def kernel_gradient_by_products(values: Any, upstream: Any, shape: Any) -> Any:
    """The gradient, of ``shape`` (down, right, inputs, outputs), of the kernel of a convolution at every place.

    ``values``: (images, height, width, inputs); ``upstream``: (images, height, width, outputs), of the same dtype.
    """
    down, right, inputs, outputs = shape
    _, height, width, _ = values.shape
    bordered = tf.pad(values, [[0, 0], [down // 2, down // 2], [right // 2, right // 2], [0, 0]])
    rows = tf.reshape(upstream, (-1, outputs))
    products = [
        tf.matmul(
            tf.reshape(bordered[:, top : top + height, left : left + width], (-1, inputs)), rows, transpose_a=True
        )
        for top in range(down)
        for left in range(right)
    ]
    return tf.reshape(tf.stack(products), shape)


class FusedNormalisation(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation in one operation, which reads the values once; Keras' layer takes several.

    The gradient of the input of Keras' layer has three terms, which TensorFlow adds in the order in which they are
    ready: the last digit would be a matter of timing. Here it is one operation.
    """

    def call(self, inputs: Any, training: bool = False, mask: None = None) -> Any:
        """Values (images, channels) or (images, height, width, channels), normalised over all but the channels."""
        if len(inputs.shape) == 2:
            as_images = self.call(inputs[:, None, None], training)
            return tf.reshape(as_images, tf.shape(inputs))
        mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean)
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean)
        given = {"x": inputs, "scale": scale, "offset": offset, "epsilon": self.epsilon}
        if not (training and self.trainable):
            return tf.raw_ops.FusedBatchNormV3(mean=mean, variance=variance, is_training=False, **given)[0]
        values, seen_mean, seen_variance, *_ = tf.raw_ops.FusedBatchNormV3(mean=[], variance=[], **given)
        # The operation gives the estimate that divides by one value less, Keras' layer averages the variance itself.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        seen_variance *= (count - 1) / count
        self.moving_mean.assign(mean * self.momentum + seen_mean * (1 - self.momentum))
        self.moving_variance.assign(variance * self.momentum + seen_variance * (1 - self.momentum))
        return values
