"""Devices that params.yaml names, through a stage."""

import json

from tests.conftest import Project


def test_a_run_on_mirrored_devices_saves_a_model_and_its_figures(project: Project) -> None:
    project.set_params(**{"train.strategy": "mirrored", "train.epochs": 2})
    for words in (["fetch"], ["preprocess"], ["regularise", "100"]):
        project.stage(*words)
    figures = json.loads((project.folder / "logs/regularise/seed-100/metrics.json").read_text())
    assert figures["val"]["accuracy"] > 0.3


def test_a_gpu_that_is_not_there_is_a_clear_error(project: Project) -> None:
    project.set_params(**{"train.device": "gpu"})
    project.stage("fetch")
    project.stage("preprocess")
    ended = project.run("python", "-m", "pipeline.baseline", "100", CUDA_VISIBLE_DEVICES="")
    assert ended.returncode == 1
    assert ended.stderr == (
        "baseline: params.yaml: train.device is gpu, but TensorFlow finds no GPU; allowed here: auto, cpu\n"
    )
