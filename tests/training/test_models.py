import numpy as np

from pipeline.networks import convolutional, frequencies
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork
from pipeline.training.models import build
from tests.training.examples import TRAIN, VAL


def test_the_training_images_decide_what_whitens() -> None:
    expected = convolutional.build((8,), 0.0, True, 10)
    convolutional.whiten(expected, TRAIN.images)
    filters, of_val = (build(ConvolutionalNetwork((8,)), part, 10).get_layer("patches") for part in (TRAIN, VAL))
    for weights, own in zip(expected.get_layer("patches").get_weights(), filters.get_weights(), strict=True):
        assert np.array_equal(own, weights)
    assert not np.array_equal(filters.get_weights()[0], of_val.get_weights()[0])


def test_a_network_of_frequencies_begins_with_their_kernels() -> None:
    model = build(DenseNetwork((8,), (0.0,), (0.0,), normalisation=True, frequencies=4), TRAIN, 10)
    down = model.get_layer("frequencies_down").get_weights()[0]
    assert np.array_equal(down, frequencies.cosines(32, 4).T.astype(np.float32))
