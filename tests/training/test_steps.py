from pipeline.params.runs import DenseNetwork
from pipeline.training.epoch import CompiledEpoch, DeviceDataset
from pipeline.training.steps import UNUSED_KEPT, compiled, forget
from tests.training.examples import TRAIN, VAL, build


def test_what_is_compiled_stays_while_it_is_wanted_or_among_the_latest() -> None:
    train, val = DeviceDataset(TRAIN), DeviceDataset(VAL)

    def epoch(units: int) -> CompiledEpoch:
        return CompiledEpoch(build(DenseNetwork((units,), (0.0,), (0.0,))), train, val, 32)

    wanted, *others = (epoch(units).steps for units in range(1, UNUSED_KEPT + 4))
    functions = {steps: compiled(steps) for steps in (wanted, *others)}
    assert compiled(epoch(1).steps) is functions[wanted]
    for steps in others:
        compiled(steps)
    forget(all_but=[wanted])
    kept = [steps for steps in (wanted, *others) if compiled(steps) is functions[steps]]
    assert kept == [wanted, *others[-UNUSED_KEPT:]]
