"""Training and validation of a Keras model, batch by batch, as compiled programs that models of one structure share.

A program calls the model itself, as Keras runs it. Penalties, dropout rates and learning rates reach it as tensors, so
that the trials of a search that differ in nothing else share one compilation.
"""

import functools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.networks import training_form
from pipeline.networks.backend import keras, tf
from pipeline.networks.draws import Draws
from pipeline.params.recipe import Recipe
from pipeline.training import augmentation, optimisers

# Images in a batch of validation, where the size changes nothing but memory and speed.
VALIDATION_BATCH = 1000

# How many of the latest programs are kept: each takes about 15 MB besides its weights, and a search has dozens.
UNUSED_KEPT = 8

# Fields of a recipe that a program gets as tensors or not at all, with their placeholders in a structure.
_GIVEN: Mapping[str, Any] = {
    "epochs": 0,
    "learning_rate": 0.0,
    "patience": None,
    "reduce_lr_patience": 0,
    "schedule": "constant",
    "warm_up": 0.0,
    "final_rate": 0.0,
}


@dataclass(frozen=True)
class Structure:
    """What makes a program: models and recipes that differ in nothing else share it.

    ``layers``: the model's configuration without the sizes of penalties and dropout rates. ``batch_size`` divides
    evenly among the devices of ``strategy``, of tf.distribute.
    """

    layers: str
    recipe: Recipe
    batch_size: int
    xla: bool
    strategy: Any


def structure(model: keras.Model, recipe: Recipe, batch_size: int, xla: bool) -> Structure:
    """The structure of the program that trains ``model`` by ``recipe`` on the devices of the current scope."""
    recipe = replace(recipe, **_GIVEN)
    layers = json.dumps(_without_sizes(model.get_config()), sort_keys=True)
    return Structure(layers, recipe, batch_size, xla, tf.distribute.get_strategy())


def _without_sizes(config: Any) -> Any:
    match config:
        case {"class_name": "L2"}:
            return "L2"
        case {"class_name": "Dropout", "config": {"name": name}}:
            return f"Dropout {name}"
        case dict():
            return {key: _without_sizes(value) for key, value in config.items() if key != "shared_object_id"}
        case list() | tuple():
            return [_without_sizes(value) for value in config]
    return config


class Given(NamedTuple):
    """What reaches a program as tensors.

    ``keys``: uint32 (2,), of the seed. ``rates`` and ``shares``: float32 (batches,), the learning rate and, for mixup,
    an image's own share. ``l2``: float32 (penalties,). ``dropout``: thresholds, uint32, and scales, float32, both
    (dropout layers,).
    """

    keys: Any
    rates: Any
    shares: Any
    l2: Any
    dropout: tuple[Any, Any]


class Program:
    """The training and validation of the models of one :class:`Structure`, and the variables that they change.

    ``model`` is one of them. The same program serves one model after another: assign :attr:`state` before each.
    """

    def __init__(self, structure: Structure, model: keras.Model) -> None:
        recipe = structure.recipe
        self._structure, self._recipe, self._strategy = structure, recipe, structure.strategy
        self._model = training_form.logits_model(model, recipe.precision)
        self._weights = [variable.value for variable in self._model.weights]
        self._trained = [variable.value for variable in self._model.trainable_variables]
        self._penalised = tuple(training_form.penalties(model))
        count = optimisers.slots_of(recipe)
        self._slots = [[tf.Variable(tf.zeros_like(weight)) for _ in range(count)] for weight in self._trained]
        self._averages = [tf.Variable(tf.zeros_like(weight)) for weight in self._weights if recipe.average_every]
        self._judged = training_form.logits_model(model, recipe.precision) if recipe.average_every else self._model
        # A partial is another function for each program: TensorFlow warns of one that it traces again and again.
        # AutoGraph would read the source of every function on the way: two seconds before the first batch.
        compiled = functools.partial(tf.function, autograph=False)
        self.train = compiled(functools.partial(Program._train, self), jit_compile=structure.xla)
        self._validate_compiled = compiled(functools.partial(Program._validate, self))

    @property
    def state(self) -> list[npt.NDArray[np.float32]]:
        """Weights, the optimiser's slots and averages, in a fixed order; may be assigned."""
        return [variable.numpy() for variable in self._variables]

    @state.setter
    def state(self, values: Sequence[npt.NDArray[np.float32]]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    @property
    def _variables(self) -> list[Any]:
        return [*self._weights, *(slot for slots in self._slots for slot in slots), *self._averages]

    def begin(self, weights: Sequence[npt.NDArray[np.float32]]) -> None:
        """Start from ``weights``, in the order of the model's, with nothing in the optimiser."""
        self.state = [*weights, *(np.zeros(slot.shape, np.float32) for slots in self._slots for slot in slots)] + (
            list(weights) if self._averages else []
        )

    @property
    def judged_weights(self) -> list[npt.NDArray[np.float32]]:
        """The weights that are validated and kept, in the order of the model's."""
        return [variable.numpy() for variable in self._averages or self._weights]

    def _train(self, data: tuple[Any, Any], order: Any, span: tuple[Any, Any, Any], given: Given) -> Any:
        """Train the batches of ``span``; return the loss and the correct predictions of each batch, 0 for the others.

        ``data``: images, uint8 (n, height, width, channels), and labels, int32 (n,). ``order``: int32 (batches *
        batch_size,), rows of the images. ``span``, int32: the first batch, the one after the last, and the number of
        the epoch from 0.
        """
        start, end, epoch = span

        def train(batch: Any, losses: Any, corrects: Any) -> Any:
            loss, correct = self._strategy.run(self._train_batch, (data, order, batch, epoch, given))
            loss = self._strategy.reduce("SUM", loss, axis=None)
            correct = self._strategy.reduce("SUM", correct, axis=None)
            losses = tf.tensor_scatter_nd_update(losses, [[batch]], [loss])
            return batch + 1, losses, tf.tensor_scatter_nd_update(corrects, [[batch]], [correct])

        results = (tf.zeros_like(given.rates), tf.zeros(given.rates.shape, tf.int32))
        _, losses, corrects = tf.while_loop(lambda batch, *_: batch < end, train, (start, *results))
        return losses, corrects

    def _train_batch(self, data: tuple[Any, Any], order: Any, batch: Any, epoch: Any, given: Given) -> Any:
        """Train one device's share of a batch; return its part of the loss and of the correct predictions.

        Trained weights change alike on all devices; normalisation uses and remembers the statistics of its own share.
        """
        keys, rates, shares, l2, dropout = given
        images, labels = data
        recipe, batch_size = self._recipe, self._structure.batch_size
        replica, replicas = tf.distribute.get_replica_context(), self._strategy.num_replicas_in_sync
        share = batch_size // replicas
        first = replica.replica_id_in_sync_group * share
        place, step = batch * batch_size + first, epoch * rates.shape[0] + batch
        # The last batch is filled up with images that then count for nothing: every batch has the same shape.
        counts = tf.cast(place + tf.range(share) < labels.shape[0], tf.float32)
        total = tf.cast(tf.minimum(batch_size, labels.shape[0] - batch * batch_size), tf.float32)
        rows = tf.slice(order, [place], [share])
        draws = Draws(keys, step, first)
        pixels, targets = augmentation.augmented(recipe, images, rows, draws, keys, epoch), tf.gather(labels, rows)
        if recipe.mixup:
            pixels = augmentation.mixed(pixels, shares[batch])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._trained)
            with training_form.drawing(draws, *dropout):
                logits = tf.cast(self._model(pixels, training=True), tf.float32)
            if recipe.mixup:
                cross_entropies = _mixed_cross_entropies(targets, shares[batch], logits, recipe.label_smoothing)
            else:
                cross_entropies = _cross_entropies(targets, logits, recipe.label_smoothing)
            cross_entropy = tf.reduce_sum(cross_entropies * counts) / total
        loss = cross_entropy + self._penalty(self._trained, l2) / replicas if self._penalised else cross_entropy
        correct = _correct(targets, logits, tf.cast(counts, tf.int32))
        gradients = tape.gradient(cross_entropy, self._trained)
        if replicas > 1:
            gradients = replica.all_reduce("SUM", gradients)
        for index, (weight, slots, gradient) in enumerate(zip(self._trained, self._slots, gradients, strict=True)):
            if index in self._penalised:
                # The penalty's gradient is known: no need to trace it back.
                gradient += 2 * l2[self._penalised.index(index)] * weight
            optimisers.update(recipe, weight, slots, gradient, tf.cast(step + 1, tf.float32), rates[batch])
        if recipe.average_every:
            self._average(step + 1)
        return loss, correct

    def _average(self, steps: Any) -> None:
        """Move the averages after so many ``steps``, int32 (), where it is their turn."""
        every = self._recipe.average_every
        moves = tf.cast(steps // every, tf.float32)
        # With few moves behind it an average would still hold the initial weights.
        decay = tf.minimum(self._recipe.average_decay, moves / (9 + moves))
        kept = tf.where(steps % every == 0, decay, 1.0)
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(kept * average + (1 - kept) * weight)

    def validate(self, data: tuple[Any, Any], l2: Any) -> tuple[float, float]:
        """The mean loss and the accuracy of the weights that would be kept, without dropout."""
        if self._averages:
            self._judge(self._averages)
        return self._scored(data, l2)

    def score(self, weights: Sequence[npt.NDArray[np.float32]], data: tuple[Any, Any], l2: Any) -> tuple[float, float]:
        """The mean loss and the accuracy of ``weights``, in the order of the model's; the state may be lost."""
        self._judge(weights)
        return self._scored(data, l2)

    def _judge(self, weights: Sequence[Any]) -> None:
        for variable, value in zip(self._judged.weights, weights, strict=True):
            variable.value.assign(value)

    def _scored(self, data: tuple[Any, Any], l2: Any) -> tuple[float, float]:
        loss, accuracy = self._validate_compiled(data, l2)
        return float(loss), float(accuracy)

    def _validate(self, data: tuple[Any, Any], l2: Any) -> Any:
        images, labels = data

        def score(start: Any, loss_sum: Any, correct: Any) -> Any:
            batch_labels = labels[start : start + VALIDATION_BATCH]
            logits = self._judged(images[start : start + VALIDATION_BATCH], training=False)
            loss_sum += tf.reduce_sum(_cross_entropies(batch_labels, logits, 0.0))
            return start + VALIDATION_BATCH, loss_sum, correct + _correct(batch_labels, logits, 1)

        begin = (tf.constant(0), tf.constant(0.0), tf.constant(0))
        _, loss_sum, correct = tf.while_loop(lambda start, *_: start < labels.shape[0], score, begin)
        penalty = self._penalty([variable.value for variable in self._judged.trainable_variables], l2)
        return loss_sum / labels.shape[0] + penalty, correct / labels.shape[0]

    def _penalty(self, weights: Sequence[Any], l2: Any) -> Any:
        """l2 * sum(w^2) over all ``weights`` that have a penalty.

        XLA sums an array up on one core, but adds slices to each other on all: three times faster at 3072 x 1024.
        """
        parts = [tf.constant(0.0)]
        for index, place in enumerate(self._penalised):
            kernel = weights[place]
            slices = tf.split(kernel, math.gcd(kernel.shape[0], 16)) if self._structure.xla else [kernel]
            parts.append(l2[index] * tf.reduce_sum(tf.add_n([tf.square(part) for part in slices])))
        # Grappler would merge a chain of additions into one whose order depends on which memory is free: the last
        # digit would be a matter of timing.
        return tf.reduce_sum(tf.stack(parts))


# In the order of their latest use.
_programs: dict[Structure, Program] = {}


def program(structure: Structure, model: keras.Model) -> Program:
    """The program of ``structure``, the same one until :func:`forget` drops it; ``model`` is a model of it."""
    found = _programs.pop(structure, None) or Program(structure, model)
    _programs[structure] = found
    return found


def forget(all_but: Collection[Structure]) -> None:
    """Drop all programs, except those of ``all_but`` and the few used last."""
    for known in list(_programs)[:-UNUSED_KEPT]:
        if known not in all_but:
            del _programs[known]


def _cross_entropies(labels: Any, logits: Any, smoothing: float) -> Any:
    """Float32 (n,), in nats, against labels of which the fraction ``smoothing`` is spread over all classes."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    if not smoothing:
        return losses
    return (1 - smoothing) * losses - smoothing * tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)


def _mixed_cross_entropies(labels: Any, share: Any, logits: Any, smoothing: float) -> Any:
    """Float32 (n,), in nats, of images of which ``share``, float32 (), is their own and the rest their partner's.

    Against one distribution over the classes, because the gradient of four sums would be added in any order.
    """
    classes = logits.shape[1]
    own = tf.one_hot(labels, classes)
    mixed = share * own + (1 - share) * tf.reverse(own, [0])
    smoothed = (1 - smoothing) * mixed + smoothing / classes
    return tf.nn.softmax_cross_entropy_with_logits(labels=tf.stop_gradient(smoothed), logits=logits)


def _correct(labels: Any, logits: Any, counts: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.int32) * counts)
