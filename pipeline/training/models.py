"""The Keras model of a network as a run declares it."""

from pipeline.files.dataset import Split
from pipeline.networks import convolutional, dense, frequencies
from pipeline.networks.backend import keras
from pipeline.params.runs import ConvolutionalNetwork, Network


def build(network: Network, train: Split, classes: int) -> keras.Model:
    """The model of ``network`` that is trained, with one look, for so many ``classes``.

    What must be computed from images is computed from those of ``train``.
    """
    if isinstance(network, ConvolutionalNetwork):
        model = convolutional.build(network.widths, network.dropout, network.whitening, classes)
        if network.whitening:
            convolutional.whiten(model, train.images)
        return model
    model = dense.build(
        network.units,
        network.l2,
        network.dropout,
        classes,
        normalisation=network.normalisation,
        residual=network.residual,
        frequencies=network.frequencies,
    )
    if network.frequencies:
        frequencies.fix(model)
    return model
