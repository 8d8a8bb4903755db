"""One epoch as one compiled program, with the images resident on the device.

Against Keras' ``fit`` this saves the trip through Python, the copy of every batch, and much of Adam's memory traffic: a
fused kernel reads and writes weights and moments once. The program can be left and entered between batches, so that a
run can be stopped within seconds and continued as if nothing had been.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.networks.backend import keras, tf
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.training import Precision
from pipeline.training.steps import BatchSteps, compiled

# From so many products of weight and image in an epoch, and epochs, XLA repays its compilation: benchmarks/designs.md.
XLA_PRODUCTS = 5e10
XLA_EPOCHS = 20

# Multiplications of weight and image in one piece of an epoch: about a second of two cores at 200 GFLOP/s.
PIECE_PRODUCTS = 3e10


@dataclass(frozen=True)
class LossAndAccuracy:
    """Mean loss (cross-entropy in nats plus the L2 penalty) and accuracy (fraction of 1) over some images."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """How far an epoch is: batches done, and over their images the sum of the loss and the correct predictions."""

    batches: int = 0
    loss_sum: float = 0.0
    correct: int = 0


class DeviceDataset:
    """Images and labels on every device of the current scope, for as many programs as are made of them."""

    def __init__(self, split: Split) -> None:
        strategy = tf.distribute.get_strategy()
        several = strategy.num_replicas_in_sync > 1
        copies = []
        for device in strategy.extended.worker_devices if several else [None]:
            with tf.device(device):
                copies.append((tf.constant(split.images), tf.constant(split.labels, tf.int32)))
        self.count = len(split.labels)
        self.on_first_device = copies[0]
        self.on_all_devices = self.on_first_device
        if several:
            self.on_all_devices = strategy.experimental_distribute_values_from_function(
                lambda replica: copies[replica.replica_id_in_sync_group]
            )


class CompiledEpoch:
    """The compiled epoch of one model on one set of images, all made in the same scope of devices.

    ``model`` is what :func:`pipeline.networks.dense.build` returns. With "mixed_bfloat16" layers compute and hand on
    bfloat16 in training, as under Keras' policy of that name; weights, moments, the loss and validation stay float32.
    The same program serves one seed after another: call :meth:`reset` before each. Programs of models that differ only
    in the sizes of penalties and dropout rates share one compilation. ``epochs``: how many are planned, because few do
    not repay a long compilation. ``piece_products``: multiplications of weight and image between two yields of
    :meth:`train`. Raises :class:`UserError` where a batch cannot be divided among the devices.
    """

    def __init__(
        self,
        model: keras.Sequential,
        train: DeviceDataset,
        val: DeviceDataset,
        batch_size: int,
        precision: Precision = "float32",
        epochs: float = math.inf,
        piece_products: float = PIECE_PRODUCTS,
    ) -> None:
        self._weights = [variable.value for variable in model.trainable_variables]
        self._moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._weights for _ in range(2)]
        self._train, self._val = train, val
        strategy = tf.distribute.get_strategy()
        replicas = strategy.num_replicas_in_sync
        if batch_size % replicas:
            raise UserError(f"train.batch_size is {batch_size}; allowed on {replicas} devices: multiples of {replicas}")
        self._batch_size = min(batch_size, -(-train.count // replicas) * replicas)
        self.batches = -(-train.count // self._batch_size)
        self._piece = max(1, int(piece_products / (model.count_params() * self._batch_size)))
        l2, rates = _regularisation(model)
        self._l2 = tf.constant(l2)
        # A value is dropped where its 32 random bits are below the threshold.
        self._dropout = (
            tf.constant([round(rate * 2**32) for rate in rates], tf.uint32),
            tf.constant([1 / (1 - rate) for rate in rates]),
        )
        # XLA multiplies bfloat16 factors slower than float32 ones.
        pays = epochs >= XLA_EPOCHS and model.count_params() * train.count >= XLA_PRODUCTS
        xla = pays and precision == "float32" and replicas == 1
        self.steps = BatchSteps(
            shapes=tuple(tuple(weight.shape) for weight in self._weights),
            penalised=tuple(bool(factor) for factor in l2),
            dropped=tuple(bool(rate) for rate in rates),
            batch_size=self._batch_size,
            precision=precision,
            xla=xla,
            strategy=strategy,
        )

    def reset(self) -> None:
        """Forget the optimiser's state."""
        for moment in self._moments:
            moment.assign(tf.zeros_like(moment))

    @property
    def state(self) -> list[npt.NDArray[np.float32]]:
        """Weights and moments, in a fixed order; may be assigned."""
        return [variable.numpy() for variable in (*self._weights, *self._moments)]

    @state.setter
    def state(self, values: list[npt.NDArray[np.float32]]) -> None:
        for variable, value in zip((*self._weights, *self._moments), values, strict=True):
            variable.assign(value)

    def train(self, seed: int, epoch: int, learning_rate: float, start: Progress) -> Iterator[Progress]:
        """Train epoch number ``epoch`` (from 0) from ``start`` on; yields its progress about once a second.

        The last progress has all batches done. The order of the images follows from (seed, epoch) and dropout from
        (seed, step), so that an epoch does not depend on how the process came to it.
        """
        order = np.zeros(self.batches * self._batch_size, np.int32)
        order[: self._train.count] = generator(seed, Purpose.ORDER, epoch).permutation(self._train.count)
        dropout_seed = generator(seed, Purpose.DROPOUT, 0).integers(2**32, dtype=np.uint32)
        progress = start
        while progress.batches < self.batches:
            end = min(progress.batches + self._piece, self.batches)
            loss_sum, correct = compiled(self.steps).train(
                self._weights,
                self._moments,
                self._train.on_all_devices,
                tf.constant(order),
                (tf.constant(progress.batches), tf.constant(end), tf.constant(epoch * self.batches)),
                tf.constant(dropout_seed, tf.uint32),
                tf.constant(learning_rate, tf.float32),
                self._l2,
                self._dropout,
            )
            progress = Progress(end, progress.loss_sum + float(loss_sum), progress.correct + int(correct))
            yield progress

    def mean(self, progress: Progress) -> LossAndAccuracy:
        """The running mean over an epoch's batches, as Keras' ``fit`` gives it."""
        return LossAndAccuracy(progress.loss_sum / self._train.count, progress.correct / self._train.count)

    def validate(self) -> LossAndAccuracy:
        """Score the model as it stands on the validation images, without dropout."""
        loss, accuracy = compiled(self.steps).validate(self._weights, self._val.on_first_device, self._l2)
        return LossAndAccuracy(float(loss), float(accuracy))


def _regularisation(model: keras.Sequential) -> tuple[list[float], list[float]]:
    """Of each dense layer the factor of the penalty on its kernel, and the rate of the dropout that follows it."""
    l2: list[float] = []
    rates: list[float] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            l2.append(float(layer.kernel_regularizer.l2) if layer.kernel_regularizer is not None else 0.0)
            rates.append(0.0)
        elif isinstance(layer, keras.layers.Dropout):
            rates[-1] = float(layer.rate)
    return l2, rates
