"""``make quick``: one model of the study and one from beyond it on the real images, evaluated and reported.

Both are trained by the stages of the whole, at their full length, in the folder quick/, which has this work tree's code
and parameters, its DVC cache and one seed. So `dvc.lock` and `metrics/` here say nothing of a part, and `dvc repro`
takes both models from the run cache.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from pipeline.console import command
from pipeline.console.absent import QUICK
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.params import reading, runs

# What the study chose.
STUDY = Run("ablation", "joint-l2-1e-4-dropout10-rate-1e-4")
# In float32: a convolutional run in bfloat16 takes hours on a processor without instructions for it.
BEYOND = Run("beyond", "dense-augmented")
_FILES = ("dvc.yaml", "params.yaml", "requirements.lock", "requirements-gpu.lock", ".dvcignore", ".dvc/config")
_ARCHIVE = "CIFAR10_ARCHIVE"


def lay_out(params: reading.Params) -> None:
    """Bring code and parameters of quick/ up to those of the work tree; what was trained there stays.

    Raises :class:`UserError` where quick/ is something else.
    """
    if QUICK.exists() and not (QUICK / ".dvc/config").exists():
        raise UserError(f"{QUICK} is there and is not of 'make quick'; move it away")
    (QUICK / ".dvc").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(QUICK / "pipeline", ignore_errors=True)
    shutil.copytree("pipeline", QUICK / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copyfile(name, QUICK / name)
    with modify_yaml(str(QUICK / "params.yaml")) as content:
        content["train"]["seeds"] = [params.train.seeds[0]]
        if params.fetch.path:
            content["fetch"]["path"] = str(Path(params.fetch.path).absolute())
    cache = os.path.relpath(Repo().cache.local_cache_dir, QUICK)
    # Relative, because DVC writes ASCII alone into its configuration. Without git, because git ignores the folder.
    call("dvc", "config", "--local", "core.no_scm", "true")
    call("dvc", "cache", "dir", "--local", cache)


def call(*words: str) -> None:
    """Run a command in quick/ with this terminal. Raises :class:`UserError` where it fails; it has said why."""
    environment = dict(os.environ)
    # Empty is as good as unset, here and for fetch.
    if (named := environment.get(_ARCHIVE)) and "://" not in named:
        environment[_ARCHIVE] = str(Path(named).absolute())
    # Ctrl-C reaches the command too, which saves its state; a handler, unlike SIG_IGN, is not inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        ended = subprocess.run(words, cwd=QUICK, env=environment, check=False)  # noqa: S603 -- our own words
    finally:
        signal.signal(signal.SIGINT, before)
    if ended.returncode:
        raise UserError(
            f"{' '.join(words)} has failed in {QUICK}; once that is mended, 'make quick' goes on from there"
        )


def main() -> None:
    """Train, evaluate and report; then say how to use the better model."""
    began = time.monotonic()
    params = reading.load(*reading.SECTIONS)
    chosen = [runs.find(params, run.group, run.name) for run in (STUDY, BEYOND)]
    print(f"quick: {' and '.join(map(str, chosen))}, one seed each, in {QUICK.absolute()}", flush=True)
    lay_out(params)
    seed = params.train.seeds[0]
    call("dvc", "repro", *(f"{run.group}@{run.name}-{seed}" for run in chosen))
    for run in chosen:
        call("python", "-m", "pipeline.evaluate", run.group)
    call("python", "-m", "pipeline.report")
    python, model = os.path.relpath(sys.executable), QUICK / "models/selected.keras"
    print(
        f"quick: {(time.monotonic() - began) / 60:.0f} minutes; {QUICK}/metrics/report.md has the figures. "
        f"What is on a photograph:\n  {python} -m pipeline.predict PHOTO --model {model}\n"
        "quick: the whole study, which takes both models from the run cache:\n  make repro"
    )


if __name__ == "__main__":
    command.run(main)
