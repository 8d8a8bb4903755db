"""A study of fully connected networks on CIFAR-10 as a DVC pipeline: one module per stage."""

import importlib.util
import os
import sys
from types import TracebackType

if importlib.util.find_spec("tensorflow") is None:
    sys.exit(f"pipeline: {sys.executable} has no TensorFlow; run 'make .venv', then '. .venv/bin/activate'")

# Whatever the user's environment and keras.json prefer: models and figures are those of TensorFlow.
os.environ["KERAS_BACKEND"] = "tensorflow"

# TensorFlow reads this when it is imported: without it, a dozen lines about CPU features and missing GPUs precede every
# stage. Warnings and errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")


def _interrupted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage is still importing is no defect: one line, no traceback."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _interrupted
