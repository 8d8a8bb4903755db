"""The Keras model of a network as a run declares it."""

from pipeline.files.dataset import Split
from pipeline.networks import convolutional, dense
from pipeline.networks.backend import keras
from pipeline.params.runs import ConvolutionalNetwork, Network


def build(network: Network, train: Split, classes: int) -> keras.Model:
    """A model of ``network`` for so many ``classes``; what must be computed from images, from those of ``train``."""
    if isinstance(network, ConvolutionalNetwork):
        model = convolutional.build(network.widths, network.dropout, network.whitening, classes)
        if network.whitening:
            convolutional.whiten(model, train.images)
        return model
    return dense.build(network.units, network.l2, network.dropout, classes, normalisation=network.normalisation)
