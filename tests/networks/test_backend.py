"""How Keras is imported: what a user's home folder has decides nothing, and what nobody asked for stays out."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

BUILDING = """
import json
from pipeline.networks import convolutional, dense
from pipeline.networks.backend import keras
models = [dense.build((8,), (1e-3,), (0.5,), 10, normalisation=True), convolutional.build((8,), 0.1, True, 10)]
print(json.dumps([keras.backend.backend(), keras.config.epsilon(), [model.get_config() for model in models]]))
"""


def built(folder: Path) -> list[object]:
    words = [sys.executable, "-c", BUILDING]
    environment = {"KERAS_HOME": str(folder), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: list[object] = json.loads(ended.stdout.splitlines()[-1])
    return found


# In a process of its own, because those of tests have imported all of them.
IMPORTING = """
import sys
import pipeline.networks.backend
print([name for name in ("matplotlib", "scipy", "sklearn") if name in sys.modules])
import matplotlib, scipy, sklearn.calibration
"""


def test_keras_does_not_import_what_only_its_wrappers_need_and_others_can() -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def test_models_are_the_same_whatever_stands_in_keras_json(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("own", "other")]
    for home in homes:
        home.mkdir()
    other = {"floatx": "float16", "epsilon": 1e-2, "backend": "jax", "image_data_format": "channels_first"}
    (homes[1] / "keras.json").write_text(json.dumps(other))
    first, second = map(built, homes)
    assert first == second
    assert first[:2] == ["tensorflow", 1e-7]
