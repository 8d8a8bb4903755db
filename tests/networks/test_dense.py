import numpy as np
import pytest

from pipeline.networks import dense


def test_parameters_are_counted_as_the_study_counts_them() -> None:
    assert dense.build((), (), (), 10).count_params() == 30_730


def test_every_hidden_layer_has_its_own_width_penalty_and_dropout() -> None:
    model = dense.build((16, 8, 4), (1e-3, 0.0, 1e-2), (0.0, 0.5, 0.25), 7)
    names = [layer.name for layer in model.layers]
    expected = ["rescale", "flatten", "hidden_1", "hidden_2", "dropout_2", "hidden_3", "dropout_3", "logits"]
    assert names == [*expected, "probabilities"]
    assert [model.get_layer(f"hidden_{number}").units for number in (1, 2, 3)] == [16, 8, 4]
    penalties = [model.get_layer(f"hidden_{number}").kernel_regularizer for number in (1, 2, 3)]
    assert [penalty and float(penalty.l2) for penalty in penalties] == [pytest.approx(1e-3), None, pytest.approx(1e-2)]
    assert [model.get_layer(f"dropout_{number}").rate for number in (2, 3)] == [0.5, 0.25]
    assert model.output_shape == (None, 7)


def test_there_is_an_entry_for_every_hidden_layer() -> None:
    with pytest.raises(ValueError, match="shorter"):
        dense.build((16, 8), (0.0,), (0.0, 0.0), 10)


def test_weights_follow_from_the_seed_alone() -> None:
    first, second = (dense.build((16,), (0.0,), (0.0,), 10) for _ in range(2))
    dense.initialise(first, 100)
    dense.initialise(second, 101)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    dense.initialise(second, 100)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, other)
    kernel, bias, *_ = first.get_weights()
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / (3072 + 16)), rel=1e-3)
    assert not bias.any()
