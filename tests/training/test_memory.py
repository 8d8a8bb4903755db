"""What training a network takes, computed before it is made, against what is made."""

import math
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from pipeline.networks.backend import tf
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.training import memory
from pipeline.training.memory import TooLargeError
from pipeline.training.models import build
from tests.training.examples import TRAIN, recipe

DENSE = DenseNetwork((48, 24), (0.0, 0.0), (0.0, 0.5))
NORMALISED = DenseNetwork((48, 24), (0.0, 0.0), (0.0, 0.5), normalisation=True)
# As wide as what the first hidden layer sees, which is added to nothing.
FREQUENCIES = DenseNetwork((75, 75, 24), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), residual=True, frequencies=5)
RESIDUAL = DenseNetwork((48, 48, 24), (0.0, 0.0, 0.0), (0.0, 0.5, 0.0), residual=True)
HUGE = DenseNetwork((100_000_000,), (0.0,), (0.0,))


@pytest.mark.parametrize(
    "network",
    [
        *(DenseNetwork(), DENSE, NORMALISED, RESIDUAL, FREQUENCIES),
        *(ConvolutionalNetwork((8, 16), 0.5), ConvolutionalNetwork((8, 4, 4, 4))),
    ],
    ids=str,
)
def test_weights_and_values_are_those_of_the_model(network: Network) -> None:
    model = build(network, TRAIN, 10)
    idle = ("InputLayer", "Flatten", "Reshape", "Softmax")
    layers = [layer for layer in model.layers if type(layer).__name__ not in idle]
    assert memory.counts(network, 10) == (
        model.count_params(),
        sum(math.prod(layer.output.shape[1:]) for layer in layers),
    )


def test_steps_and_checkpoints_take_what_they_hold() -> None:
    weights, values = memory.counts(DENSE, 10)
    # Weights, those of the training form and two moments are there all the time. A checkpoint of weights and moments
    # exists three times at once.
    assert memory.required(DENSE, recipe(1, 1e-3), 10, images=1) == 4 * weights * (4 + 9)
    # A step has gradients, and the activations of a batch with their gradients.
    large = recipe(1, 1e-3, batch_size=10_000)
    assert memory.required(DENSE, large, 10, images=10_000) == 4 * (weights * (4 + 1) + 2 * 10_000 * values)


def test_a_batch_is_at_most_all_images() -> None:
    assert memory.required(DENSE, recipe(1, 1e-3, batch_size=10**9), 10, 300) == memory.required(
        DENSE, recipe(1, 1e-3, batch_size=300), 10, 300
    )


def test_patience_and_averages_keep_weights_of_their_own() -> None:
    def needed(**parts: Any) -> int:
        return memory.required(DENSE, recipe(1, 1e-3, **parts), 10, 1) // (4 * (3072 * 48 + 48 + 48 * 24 + 24 + 250))

    plain = needed()
    assert needed(patience=5) == plain + 3
    assert needed(precision="mixed_bfloat16") == plain
    assert needed(average_every=5) == plain + 2 + 3
    assert needed(optimiser="sgd") == plain - 4


def test_too_large_a_network_is_refused_with_both_figures_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "total", lambda: 16 * 10**9)
    with pytest.raises(TooLargeError) as caught:
        memory.check(HUGE, recipe(1, 1e-3, batch_size=128), 10, 40_000)
    weights = 3073 * 10**8 + 10**9 + 10
    assert str(caught.value) == (
        f"layers of 100000000 units and batch_size 128 need {4 * 13 * weights / 1e9:.1f} GB of memory (weights, "
        "gradients, the optimiser's values, activations, a checkpoint); allowed here: 16.0 GB"
    )
    memory.check(DENSE, recipe(1, 1e-3), 10, 40_000)
    with pytest.raises(TooLargeError, match=r"^blocks of 64, 65536 channels and batch_size 32 need "):
        memory.check(ConvolutionalNetwork((64, 65536)), recipe(1, 1e-3), 10, 40_000)


def test_the_memory_is_the_machines_or_what_is_left_of_it() -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    before = memory.total()
    assert 0 < before <= machine
    for path in Path("/sys/fs/cgroup").glob("memory/memory.limit_in_bytes"):
        assert before <= int(path.read_text())
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (before - 1, hard))
    try:
        assert memory.total() == before - 1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM allocating\nDetails"), "OOM allocating"),
        (MemoryError("Unable to"), "Unable to"),
        (MemoryError(), "MemoryError"),
    ],
    ids=["TensorFlow", "numpy", "Python"],
)
def test_what_gets_no_memory_all_the_same_is_one_line(error: Exception, reason: str) -> None:
    said = f"layers of 48, 24 units and batch_size 32 need more memory than there is: {reason}$"
    with pytest.raises(TooLargeError, match=said), memory.exhaustion_told(DENSE, recipe(1, 1e-3)):
        raise error
