from pipeline.params.runs import DenseNetwork
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from pipeline.training.program import UNUSED_KEPT, Program, Structure, forget, program
from tests.training.examples import TRAIN, VAL, build, recipe


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
