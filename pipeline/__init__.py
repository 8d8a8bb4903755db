"""A study of fully connected networks on CIFAR-10 as a DVC pipeline: one module per stage."""

import importlib.util
import os
import sys

if importlib.util.find_spec("tensorflow") is None:
    sys.exit(f"pipeline: {sys.executable} has no TensorFlow; run 'make .venv', then '. .venv/bin/activate'")

# TensorFlow reads this when it is imported: without it, a dozen lines about CPU features and missing GPUs precede every
# stage. Warnings and errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
