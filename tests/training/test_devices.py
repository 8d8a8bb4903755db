"""Devices: two logical processors as tf.distribute's mirrored strategy sees them, in a process of their own."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Trains three epochs, with L2, dropout and a smaller batch at the end, on one of two logical processors and on both.
TRAINING = """
import json
from pipeline.networks.backend import tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from pipeline.files.errors import UserError
from pipeline.networks import dense
from pipeline.training import devices
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from tests.training.examples import REGULARISED, TRAIN, VAL, build

def trained(strategy):
    refused = ""
    with devices.scope("cpu", strategy):
        model = build(REGULARISED)
        epoch = CompiledEpoch(model, DeviceDataset(TRAIN), DeviceDataset(VAL), 32)
        try:
            CompiledEpoch(model, DeviceDataset(TRAIN), DeviceDataset(VAL), 33)
        except UserError as error:
            refused = str(error)
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
    return {"processors": len(devices.names()), "scores": scores, "sums": sums, "refused": refused}

print(json.dumps([trained(strategy) for strategy in ("one_device", "mirrored")]))
"""


def test_two_mirrored_devices_train_as_one_does_and_refuse_a_batch_that_they_cannot_share() -> None:
    words = [sys.executable, "-c", TRAINING]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    one, two = json.loads(ended.stdout.splitlines()[-1])
    assert one["processors"] == two["processors"] == 2
    assert two["scores"] == pytest.approx(one["scores"], rel=1e-4)
    assert two["sums"] == pytest.approx(one["sums"], rel=1e-4)
    assert two["sums"] != one["sums"], "nothing was divided"
    assert two["refused"] == "train.batch_size is 33; allowed on 2 devices: multiples of 2"
    assert one["refused"] == ""
