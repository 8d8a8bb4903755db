"""The scores of a saved model on a split, as they stand in a run's metrics."""

from typing import Any

import numpy as np

from pipeline.evaluation.classification import scores
from pipeline.evaluation.inference import outputs
from pipeline.files.dataset import Split
from pipeline.networks.backend import keras, tf


def score(model: keras.Sequential, split: Split) -> dict[str, float]:
    """Loss, accuracy, and precision and F1 weighted by class size, of ``model`` on ``split``.

    The loss is the mean cross-entropy in nats plus the L2 penalty, as ``model.evaluate`` gives it.
    """
    logits = outputs(keras.Model(model.inputs[0], model.get_layer("logits").output), split.images)
    cross_entropy: Any = tf.nn.sparse_softmax_cross_entropy_with_logits(split.labels.astype(np.int32), logits)
    penalty = sum(float(loss) for loss in model.losses)
    loss = float(np.mean(cross_entropy, dtype=np.float64)) + penalty
    return scores(split.labels, logits.argmax(axis=1)) | {"loss": loss}
