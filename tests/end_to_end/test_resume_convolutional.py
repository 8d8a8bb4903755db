"""A convolutional run with every part of a recipe, killed at random moments: it ends as an undisturbed one does."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment

# Trains in the current folder on the small splits of the tests, with a checkpoint after every piece of an epoch.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[3])
from pipeline.files import dataset
from pipeline.files.artefacts import write_json
from pipeline.files.runs import Run
from pipeline.params.runs import ConvolutionalNetwork
from pipeline.params.training import TrainParams
from pipeline.training.run import train_model
from tests.training.examples import TRAIN, VAL, recipe
from tests.training.test_run import Observer

write_json(dataset.CLASS_NAMES, list("abcdefghij"))
parts = {"optimiser": "sgd", "momentum": 0.85, "weight_decay": 0.05, "bias_rate_factor": 4, "schedule": "linear"}
parts |= {"warm_up": 0.2, "final_rate": 0.1, "label_smoothing": 0.1, "flip": "alternating", "shift": 2, "cutout": 6}
parts |= {"mixup": 0.3, "average_every": 2, "average_decay": 0.8}
own = recipe(4, 0.05, 3, precision=sys.argv[1], **parts)
shared = {"seeds": [100], "epochs": 4, "batch_size": 32, "precision": sys.argv[1], "device": "cpu"}
shared = TrainParams.model_validate(shared | {"strategy": "one_device", "threads": 1})
network = ConvolutionalNetwork((8, 16), dropout=0.3, whitening=True)
pieces = {"piece_products": 1} if sys.argv[2] == "pieces" else {}
options = {"before_writing": lambda: None, "save_seconds": 0.0} | pieces
train_model(Run("beyond", "conv"), 100, network, own, TRAIN, VAL, shared, Observer, **options)
"""


def start(folder: Path, precision: str, cut: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        ["python", "-c", DRIVER, precision, cut, str(ROOT)],
        cwd=folder,
        env=environment() | {"CIFAR10_STATE": str(folder / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(folder: Path) -> dict[str, bytes]:
    """All but what a process left unfinished that was killed while it wrote, which evaluate removes."""
    found = sorted([*folder.rglob("models/**/[!.]*.keras"), *folder.rglob("logs/**/[!.]*.*")])
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def checkpoint(folder: Path) -> tuple[int, ...]:
    # Those that are still being written begin with a dot, and are gone in a moment.
    return tuple(path.stat().st_mtime_ns for path in (folder / "state").rglob("[!.]*.checkpoint"))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_convolutional_run_that_is_killed_ends_as_one_that_was_not(tmp_path: Path, precision: str) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    process = start(straight, precision, "whole")
    assert process.communicate()[1].count("Error") == process.returncode == 0
    moments, continued = random.Random(precision), 0
    for _ in range(2):
        before, process = checkpoint(killed), start(killed, precision, "pieces")
        while checkpoint(killed) == before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        continued += "continues after epoch" in output
    process = start(killed, precision, "pieces")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "continues after epoch" in output
    assert len(outputs(straight)) == 6
    assert outputs(killed) == outputs(straight)
