from typing import Any

import pytest

from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.training import models
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from pipeline.training.program import UNUSED_KEPT, Program, Structure, forget, program
from tests.training.examples import TRAIN, VAL, build, compiled_epoch, recipe


def test_trials_that_differ_in_sizes_alone_share_one_trace() -> None:
    train, val = DeviceDataset(TRAIN), DeviceDataset(VAL)
    results = set()
    for trial in range(1, 21):
        model = build(DenseNetwork((24,), (trial * 1e-4,), (trial / 50,)))
        epoch = CompiledEpoch(model, train, val, recipe(trial, trial * 1e-3))
        epoch.begin(100)
        *_, progress = epoch.train(100, [], Progress())
        results.add((progress.losses[-1], epoch.validate().loss))
    shared = program(epoch.structure, model)
    assert len(results) == 20
    assert shared.train.experimental_get_tracing_count() == 1


def test_what_is_compiled_stays_while_it_is_wanted_or_among_the_latest() -> None:
    train, val = DeviceDataset(TRAIN), DeviceDataset(VAL)

    def compiled(units: int) -> tuple[Structure, Program]:
        model = build(DenseNetwork((units,), (0.0,), (0.0,)))
        structure = CompiledEpoch(model, train, val, recipe(1, 1e-3)).structure
        return structure, program(structure, model)

    sizes = range(1, UNUSED_KEPT + 4)
    programs = dict(map(compiled, sizes))
    wanted, *others = programs
    assert compiled(1) == (wanted, programs[wanted])
    for units in sizes[1:]:
        compiled(units)
    forget(all_but=[wanted])
    kept = [structure for structure, found in map(compiled, sizes) if found is programs[structure]]
    assert kept == [wanted, *others[-UNUSED_KEPT:]]


@pytest.mark.parametrize(
    "network",
    [
        DenseNetwork((8,) * 3, (1e-3,) * 3, (0.2,) * 3, normalisation=True, residual=True, frequencies=4),
        ConvolutionalNetwork((8, 8), dropout=0.2, whitening=False),
    ],
)
@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_no_more_than_two_gradients_are_added_at_once(
    network: Network, mixup: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three TensorFlow takes first whose memory is free at that moment: the last digit is a matter of timing."""
    model = models.build(network, TRAIN, 10)
    parts: dict[str, Any] = {"label_smoothing": 0.1, "flip": "random", "shift": 2, "cutout": 4, "average_every": 5}
    epoch = compiled_epoch(model, recipe(1, 1e-3, mixup=mixup, **parts))
    compiled = program(epoch.structure, model)
    train, given = compiled.train, []

    def remembering(*arguments: Any) -> Any:
        given.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(compiled, "train", remembering)
    epoch.begin(100)
    next(epoch.train(100, [], Progress()))
    graph = train.get_concrete_function(*given[0]).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    assert {node.op for node in nodes} >= {"MatMul", "ResourceApplyAdam"}
    assert max((node.attr["N"].i for node in nodes if node.op == "AddN"), default=0) <= 2
