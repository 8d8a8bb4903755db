"""The scores of a saved model on a split, as they stand in a run's metrics."""

from typing import Any

import numpy as np

from pipeline.evaluation.classification import scores
from pipeline.evaluation.inference import outputs
from pipeline.files.dataset import Split
from pipeline.networks.backend import keras, tf
from pipeline.networks.looks import network_of


def score(model: keras.Model, split: Split) -> dict[str, float]:
    """Loss, accuracy, and precision and F1 weighted by class size, of ``model`` on ``split``.

    The loss is the mean cross-entropy in nats plus the L2 penalty, as ``model.evaluate`` gives it. A model that
    averages looks has no logits: its cross-entropy is that of the averaged probabilities.
    """
    labels = split.labels.astype(np.int32)
    if network_of(model) is model:
        logits = outputs(keras.Model(model.inputs[0], model.get_layer("logits").output), split.images)
    else:
        logits = np.log(np.maximum(outputs(model, split.images), np.finfo(np.float32).tiny))
    cross_entropy: Any = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    penalty = sum(float(loss) for loss in model.losses)
    loss = float(np.mean(cross_entropy, dtype=np.float64)) + penalty
    return scores(split.labels, logits.argmax(axis=1)) | {"loss": loss}
