"""One step of an optimiser on one weight, by the fused kernels that read and write weights and slots once."""

from collections.abc import Sequence
from typing import Any

from pipeline.networks.backend import keras, tf
from pipeline.params.recipe import Recipe

# Kingma and Ba (2015); epsilon is Keras' default and not the paper's 1e-8, because the study used Keras' Adam.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def slots_of(recipe: Recipe) -> int:
    """How many variables of its own shape the optimiser keeps for a weight."""
    return 2 if recipe.optimiser == "adam" else 1


def update(recipe: Recipe, weight: Any, slots: Sequence[Any], gradient: Any, step: Any, learning_rate: Any) -> None:
    """Change the variable ``weight`` and its ``slots`` by ``gradient``, of the same shape.

    ``step``: float32 (), counted from 1. ``learning_rate``: float32 (), that of kernels. The other parts are those of
    ``recipe``.
    """
    is_kernel = len(weight.shape) > 1
    if is_kernel and recipe.weight_decay:
        weight.assign_sub(weight * (learning_rate * recipe.weight_decay))
    if not is_kernel and recipe.bias_rate_factor != 1:
        learning_rate *= recipe.bias_rate_factor
    if recipe.optimiser == "adam":
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=tf.pow(BETA_1, step),
            beta2_power=tf.pow(BETA_2, step),
            lr=learning_rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=gradient,
        )
    else:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weight.handle,
            accum=slots[0].handle,
            lr=learning_rate,
            grad=gradient,
            momentum=recipe.momentum,
            use_nesterov=True,
        )


def keras_optimiser(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Keras' own optimiser of the same kind, with which a saved model opens; its rate is the highest of the recipe."""
    rate, common = recipe.learning_rate, {"weight_decay": recipe.weight_decay or None, "name": recipe.optimiser}
    if recipe.optimiser == "sgd":
        return keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=True, **common)
    kind = keras.optimizers.AdamW if recipe.weight_decay else keras.optimizers.Adam
    return kind(rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON, **common)
