"""Devices: two logical processors as tf.distribute's mirrored strategy sees them, in processes of their own."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Project

# Trains three epochs, with L2, dropout and a smaller batch at the end, on as many logical processors as it is told.
TRAINING = """
import json, sys
from pipeline.common.backend import tf
processors, strategy = int(sys.argv[1]), sys.argv[2]
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * processors)
from pipeline.common import devices, network
from pipeline.common.epoch import Position, Program, Resident
from tests.test_training import REGULARISED, TRAIN, VAL
with devices.scope("cpu", strategy):
    model = network.build(REGULARISED, 10)
    program = Program(model, Resident(TRAIN), Resident(VAL), 32)
network.initialise(model, 100)
scores = []
for epoch in range(3):
    *_, position = program.train(100, epoch, 1e-2, Position())
    scores += [program.score(position).loss, program.score(position).accuracy, program.validate().loss]
state = program.state
program.state = [array * 0 for array in state]
program.state = state
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


def test_a_run_on_mirrored_devices_saves_a_model_and_its_figures(project: Project) -> None:
    project.set_params(**{"train.strategy": "mirrored", "train.epochs": 2})
    for stage in (["fetch"], ["preprocess"], ["regularise"]):
        project.succeed("python", "-m", *[f"pipeline.{stage[0]}", *stage[1:]])
    figures = json.loads((project.folder / "metrics/regularise.json").read_text())
    assert figures["val"]["accuracy"]["mean"] > 0.3


def test_a_batch_that_the_devices_cannot_share_is_refused() -> None:
    program = TRAINING.replace("Resident(VAL), 32)", "Resident(VAL), 33)")
    words = [sys.executable, "-c", program, "2", "mirrored"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "train.batch_size is 33; allowed on 2 devices: multiples of 2" in ended.stderr


def test_a_gpu_that_is_not_there_is_a_clear_error(project: Project) -> None:
    project.set_params(**{"train.device": "gpu"})
    project.succeed("python", "-m", "pipeline.fetch")
    project.succeed("python", "-m", "pipeline.preprocess")
    ended = project.run("python", "-m", "pipeline.baseline", CUDA_VISIBLE_DEVICES="")
    assert ended.returncode == 1
    assert ended.stderr == (
        "baseline: params.yaml: train.device is gpu, but TensorFlow finds no GPU; allowed here: auto, cpu\n"
    )
