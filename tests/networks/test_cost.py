import pytest

from pipeline.networks import dense
from pipeline.networks.cost import multiply_adds


@pytest.mark.parametrize(
    ("units", "forward", "kernel_gradients", "input_gradients"),
    [
        ((), 3072 * 7, 3072 * 7, 0),
        ((16,), 3072 * 16 + 16 * 7, 3072 * 16 + 16 * 7, 16 * 7),
        (
            (16, 8, 4),
            3072 * 16 + 16 * 8 + 8 * 4 + 4 * 7,
            3072 * 16 + 16 * 8 + 8 * 4 + 4 * 7,
            16 * 8 + 8 * 4 + 4 * 7,
        ),
    ],
)
def test_multiplications_are_those_counted_by_hand(
    units: tuple[int, ...], forward: int, kernel_gradients: int, input_gradients: int
) -> None:
    model = dense.build(units, [1e-3] * len(units), [0.5] * len(units), 7)
    assert multiply_adds(model) == forward + kernel_gradients + input_gradients
