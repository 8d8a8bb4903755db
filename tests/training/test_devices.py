"""Devices: two logical processors as tf.distribute's mirrored strategy sees them, in processes of their own."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Trains three epochs, with L2, dropout and a smaller batch at the end, on as many logical processors as it is told.
TRAINING = """
import json, sys
from pipeline.networks.backend import tf
processors, strategy = int(sys.argv[1]), sys.argv[2]
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * processors)
from pipeline.networks import dense
from pipeline.training import devices
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from tests.training.examples import REGULARISED, TRAIN, VAL, build
with devices.scope("cpu", strategy):
    model = build(REGULARISED)
    epoch = CompiledEpoch(model, DeviceDataset(TRAIN), DeviceDataset(VAL), 32)
dense.initialise(model, 100)
scores = []
for number in range(3):
    *_, progress = epoch.train(100, number, 1e-2, Progress())
    mean = epoch.mean(progress)
    scores += [mean.loss, mean.accuracy, epoch.validate().loss]
state = epoch.state
epoch.state = [array * 0 for array in state]
epoch.state = state
sums = [float(abs(weight).sum()) for weight in [*state, *model.get_weights()]]
print(json.dumps({"processors": len(devices.names()), "scores": scores, "sums": sums}))
"""


def trained(processors: int, strategy: str) -> dict[str, object]:
    words = [sys.executable, "-c", TRAINING, str(processors), strategy]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    assert result["processors"] == processors
    return result


def test_two_mirrored_devices_train_as_one_does() -> None:
    one, two = trained(1, "one_device"), trained(2, "mirrored")
    assert two["scores"] == pytest.approx(one["scores"], rel=1e-4)
    assert two["sums"] == pytest.approx(one["sums"], rel=1e-4)
    assert two["sums"] != one["sums"], "nothing was divided"


def test_a_batch_that_the_devices_cannot_share_is_refused() -> None:
    program = TRAINING.replace("DeviceDataset(VAL), 32)", "DeviceDataset(VAL), 33)")
    words = [sys.executable, "-c", program, "2", "mirrored"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "train.batch_size is 33; allowed on 2 devices: multiples of 2" in ended.stderr
