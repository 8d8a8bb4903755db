"""Devices: two logical processors as tf.distribute's mirrored strategy sees them, in a process of their own."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files.errors import UserError
from pipeline.networks.backend import tf
from pipeline.params.training import TrainParams
from pipeline.training import devices
from tests.conftest import ROOT
from tests.training import examples

# Trains three epochs, with L2, dropout and a smaller batch at the end, on one of two logical processors and on both.
TRAINING = """
import json
from pipeline.networks.backend import tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from pipeline.files.errors import UserError
from pipeline.params.training import TrainParams
from pipeline.training import devices
from pipeline.training.epoch import CompiledEpoch, DeviceDataset, Progress
from tests.training.examples import REGULARISED, TRAIN, VAL, build, recipe

def trained(strategy):
    refused = ""
    shared = {"seeds": [100], "epochs": 3, "batch_size": 32, "precision": "float32", "device": "cpu", "threads": 1}
    with devices.scope(TrainParams.model_validate(shared | {"strategy": strategy})):
        data = DeviceDataset(TRAIN), DeviceDataset(VAL)
        epoch = CompiledEpoch(build(REGULARISED), *data, recipe(3, 1e-2))
        try:
            CompiledEpoch(build(REGULARISED), *data, recipe(3, 1e-2, batch_size=33))
        except UserError as error:
            refused = str(error)
    epoch.begin(100)
    scores = []
    for number in range(3):
        *_, progress = epoch.train(100, [1.0] * number, Progress())
        mean = epoch.mean(progress)
        scores += [mean.loss, mean.accuracy, epoch.validate().loss]
    state = epoch.state
    epoch.state = [array * 0 for array in state]
    epoch.state = state
    sums = [float(abs(weight).sum()) for weight in [*state, *epoch.weights]]
    processors = len(tf.config.list_logical_devices())
    return {"processors": processors, "scores": scores, "sums": sums, "refused": refused}

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
    assert two["refused"] == "batch_size is 33; allowed on 2 devices: multiples of 2"
    assert one["refused"] == ""


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", "0", "unset or 1"),
        ("TF_XLA_FLAGS", "--tf_xla_auto_jit=2", "unset"),
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true", "unset"),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", "unset or ALL or DEFAULT"),
        ("DNNL_MAX_CPU_ISA", "AVX2", "unset or ALL or DEFAULT"),
        ("DNNL_DEFAULT_FPMATH_MODE", "BF16", "unset or STRICT"),
        ("NVIDIA_TF32_OVERRIDE", "1", "unset or 0"),
    ],
)
def test_a_variable_that_changes_bytes_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        devices.prepare.__wrapped__("cpu", 2)
    assert str(caught.value) == f"{name} is {value}, which changes the bytes of what is trained; allowed: {allowed}"


def test_threads_and_instruction_sets_are_part_of_what_a_checkpoint_is_of() -> None:
    shared = {"seeds": [100], "epochs": 3, "batch_size": 32, "precision": "float32", "device": "cpu", "threads": 1}
    found = devices.identity(TrainParams.model_validate(shared | {"strategy": "one_device"}))
    assert (found["threads"], found["device"], found["strategy"]) == (1, "cpu", "one_device")
    assert found["devices"] == [entry.name for entry in tf.config.list_logical_devices()]
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    assert found["instructions"] == sorted((flags[1] if flags else platform.processor()).split())


def test_the_threads_are_those_of_params_yaml_whatever_cores_there_are() -> None:
    """The examples asked for one, before anything was computed."""
    assert examples.TRAIN
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1
