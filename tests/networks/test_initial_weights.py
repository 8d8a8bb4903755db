import numpy as np
import pytest

from pipeline.networks import convolutional, dense
from pipeline.networks.backend import keras
from pipeline.networks.initial_weights import initialise


def test_weights_follow_from_the_seed_alone() -> None:
    first, second = (dense.build((16,), (0.0,), (0.0,), 10) for _ in range(2))
    initialise(first, 100)
    initialise(second, 101)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    initialise(second, 100)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, other)
    kernel, bias, *_ = first.get_weights()
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / (3072 + 16)), rel=1e-3)
    assert not bias.any()


def test_every_kind_of_layer_has_its_initial_weights() -> None:
    model = convolutional.build((8, 32), 0.0, False, 10)
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 7, np.float32))
    initialise(model, 100)
    seen = set()
    for variable in model.weights:
        value = np.asarray(variable)
        seen.add(variable.name)
        if variable.name == "kernel":
            *window, inputs, outputs = value.shape
            if window == [3, 3]:
                # The first filters hand on a channel each.
                same, value = value[..., : min(inputs, outputs)], value[..., min(inputs, outputs) :]
                assert np.array_equal(same[1, 1], np.eye(inputs, outputs)[:, : min(inputs, outputs)])
                assert np.count_nonzero(same) == min(inputs, outputs)
                if not value.size:
                    continue
            # Glorot and Bengio (2010): of a window as many inputs and outputs as it has places.
            limit = np.sqrt(6 / (np.prod(window) * (inputs + outputs)))
            assert np.abs(value).max() <= limit
            assert value.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)
            assert abs(value.mean()) < 5 * limit / np.sqrt(3 * value.size)
        else:
            assert (value == (1 if variable.name in ("gamma", "moving_variance") else 0)).all()
    assert seen == {"kernel", "bias", "beta", "moving_mean", "moving_variance"}
    normalised = dense.build((16,), (0.0,), (0.0,), 10, normalisation=True)
    initialise(normalised, 100)
    assert (np.asarray(normalised.get_layer("hidden_1_normalisation").gamma) == 1).all()


def test_only_convolutions_hand_their_channels_on() -> None:
    image = keras.Input((8, 8, 3))
    apart = keras.layers.DepthwiseConv2D(3, use_bias=False, data_format="channels_last", name="apart")
    model = keras.Model(image, apart(image))
    initialise(model, 100)
    assert np.count_nonzero(np.asarray(apart.kernel)) == 3 * 3 * 3


def test_two_layers_of_the_same_shape_begin_differently() -> None:
    model = dense.build((16, 16, 16), (0.0,) * 3, (0.0,) * 3, 10)
    initialise(model, 100)
    assert not np.array_equal(model.get_weights()[2], model.get_weights()[4])


def test_a_weight_without_a_rule_is_refused() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.PReLU(name="odd")])
    with pytest.raises(ValueError, match="no rule for its initial value"):
        initialise(model, 100)
