"""One epoch as one compiled program, with the images resident on the device.

Against Keras' ``fit`` this saves the trip through Python, the copy of every batch, and much of the optimiser's memory
traffic: a fused kernel reads and writes weights and slots once. The program can be left and entered between batches, so
that a run can be stopped within seconds and continued as if nothing had been.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.files.dataset import Split
from pipeline.files.errors import UserError
from pipeline.networks import training_form
from pipeline.networks.backend import keras, tf
from pipeline.networks.cost import forward
from pipeline.networks.initial_weights import initialise
from pipeline.networks.randomness import Purpose, generator
from pipeline.params.recipe import Recipe
from pipeline.training import augmentation, program, schedules

# From so many forward multiplications in an epoch, and epochs, XLA repays its compilation: benchmarks/designs.md.
XLA_PRODUCTS = 5e10
XLA_EPOCHS = 20

# Forward multiplications in one piece of an epoch: about a second of two cores at 200 GFLOP/s.
PIECE_PRODUCTS = 3e10


@dataclass(frozen=True)
class LossAndAccuracy:
    """Mean loss (cross-entropy in nats plus the L2 penalty) and accuracy (fraction of 1) over some images."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """How far an epoch is: the loss of each batch done, and the correct predictions over their images."""

    losses: tuple[float, ...] = ()
    correct: int = 0

    @property
    def batches(self) -> int:
        """How many are done."""
        return len(self.losses)


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
    """The compiled epoch of one ``model`` on one set of images, all made in the same scope of devices.

    ``model``: uint8 images in, a layer named "logits" before the probabilities; :meth:`begin` sets its weights to the
    initial ones, and training changes a copy of them. With "mixed_bfloat16" its layers compute and hand on bfloat16 in
    training and validation, as under Keras' policy of that name; weights, slots and the loss stay float32. ``epochs``:
    how many are planned, because few do not repay a long compilation. ``piece_products``: forward multiplications
    between two yields of :meth:`train`. ``xla_products``: forward multiplications in an epoch from which on XLA
    compiles. Raises :class:`UserError` where a batch cannot be divided among the devices.
    """

    def __init__(
        self,
        model: keras.Model,
        train: DeviceDataset,
        val: DeviceDataset,
        recipe: Recipe,
        epochs: float = math.inf,
        piece_products: float = PIECE_PRODUCTS,
        xla_products: float = XLA_PRODUCTS,
    ) -> None:
        self._model, self._train, self._val, self._recipe = model, train, val, recipe
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        size = recipe.batch_size
        if size % replicas:
            raise UserError(f"batch_size is {size}; allowed on {replicas} devices: multiples of {replicas}")
        self._batch_size = min(size, -(-train.count // replicas) * replicas)
        self.batches = -(-train.count // self._batch_size)
        products = forward(model)
        self._piece = max(1, int(piece_products / (products * self._batch_size)))
        # XLA multiplies bfloat16 factors slower than float32 ones, and convolves slowly.
        suited = recipe.precision == "float32" and replicas == 1 and not training_form.convolves(model)
        xla = suited and epochs >= XLA_EPOCHS and products * train.count >= xla_products
        self.structure = program.structure(model, recipe, self._batch_size, xla)
        self._program = program.program(self.structure, model)
        self._l2 = tf.constant(list(training_form.penalties(model).values()), tf.float32)
        self._dropout = training_form.thresholds_and_scales(model)

    @property
    def largest_l2(self) -> float:
        """The largest factor of a penalty; 0 without any."""
        return max(self._l2.numpy().tolist(), default=0.0)

    def begin(self, seed: int) -> None:
        """Start from the initial weights of ``seed``, with nothing in the optimiser."""
        initialise(self._model, seed)
        self._program.begin(self._model.get_weights())

    @property
    def state(self) -> list[npt.NDArray[np.float32]]:
        """Weights, the optimiser's slots and averages, in a fixed order; may be assigned."""
        return self._program.state

    @state.setter
    def state(self, values: list[npt.NDArray[np.float32]]) -> None:
        self._program.state = values

    @property
    def weights(self) -> list[npt.NDArray[np.float32]]:
        """The weights that are validated and kept, in the order of the model's."""
        return self._program.judged_weights

    def train(self, seed: int, val_losses: Sequence[float], start: Progress) -> Iterator[Progress]:
        """Train the epoch after those with ``val_losses`` from ``start`` on; yields its progress about once a second.

        The last progress has all batches done. The order of the images follows from (seed, epoch), an alternating flip
        from (seed, image, epoch) and all else that is random from (seed, step), so that an epoch does not depend on how
        the process came to it.
        """
        epoch = len(val_losses)
        shuffled = generator(seed, Purpose.ORDER, epoch).permutation(self._train.count)
        # What fills the last batch up counts for nothing in the loss, but batch normalisation sees it.
        order = np.resize(shuffled, self.batches * self._batch_size).astype(np.int32)
        keys = generator(seed, Purpose.STEP, 0).integers(2**32, size=2, dtype=np.uint32)
        rates = schedules.rates(self._recipe, self.batches, val_losses)
        shares = np.ones(self.batches, np.float32)
        if self._recipe.mixup:
            steps = range(epoch * self.batches, (epoch + 1) * self.batches)
            shares = augmentation.shares(self._recipe, seed, steps)
        given = program.Given(tf.constant(keys), tf.constant(rates), tf.constant(shares), self._l2, self._dropout)
        progress = start
        while progress.batches < self.batches:
            first, end = progress.batches, min(progress.batches + self._piece, self.batches)
            losses, corrects = self._program.train(
                self._train.on_all_devices,
                tf.constant(order),
                (tf.constant(first), tf.constant(end), tf.constant(epoch)),
                given,
            )
            done = losses.numpy()[first:end].tolist()
            progress = Progress((*progress.losses, *done), progress.correct + int(corrects.numpy().sum()))
            yield progress

    def mean(self, progress: Progress) -> LossAndAccuracy:
        """The mean over an epoch's images, each with the loss of its batch, as Keras' ``fit`` gives it."""
        sizes = [self._batch_size] * (self.batches - 1)
        sizes.append(self._train.count - sum(sizes))
        loss_sum = math.fsum(loss * size for loss, size in zip(progress.losses, sizes, strict=True))
        return LossAndAccuracy(loss_sum / self._train.count, progress.correct / self._train.count)

    def validate(self) -> LossAndAccuracy:
        """Score the weights that would be kept on the validation images, without dropout."""
        return LossAndAccuracy(*self._program.validate(self._val.on_first_device, self._l2))

    def score_on_train(self, weights: Sequence[npt.NDArray[np.float32]]) -> LossAndAccuracy:
        """Score ``weights``, in the order of the model's, on the training images.

        Without averages they replace the weights that are trained: call it last.
        """
        return LossAndAccuracy(*self._program.score(weights, self._train.on_first_device, self._l2))
