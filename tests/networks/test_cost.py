import pytest

from pipeline.networks import convolutional, dense
from pipeline.networks.cost import forward, multiply_adds


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


def test_frequencies_are_multiplied_once_forward() -> None:
    model = dense.build((16,), [0.0], [0.0], 7, frequencies=5)
    across, down = 32 * (32 * 3) * (5 * 3), (5 * 3) * 32 * 5
    assert multiply_adds(model) == across + down + 2 * (5 * 5 * 3) * 16 + 3 * 16 * 7


@pytest.mark.parametrize("whitening", [True, False])
def test_a_kernel_multiplies_at_every_place_of_its_output(whitening: bool) -> None:
    model = convolutional.build((8, 16), 0.0, whitening, 7)
    patches = 2 * 2 * 3 * 24 * 31 * 31
    blocks = 9 * 24 * 8 * 31 * 31 + 9 * 8 * 8 * 15 * 15 + 9 * 8 * 16 * 15 * 15 + 9 * 16 * 16 * 7 * 7
    logits = 16 * 7
    assert forward(model) == patches + blocks + logits
    # The patches have no gradient of the image, and a fixed kernel none of its own; then nobody asks for its output's.
    first_block = 9 * 24 * 8 * 31 * 31
    backward = 2 * (blocks + logits) - first_block if whitening else patches + 2 * (blocks + logits)
    assert multiply_adds(model) == patches + blocks + logits + backward
