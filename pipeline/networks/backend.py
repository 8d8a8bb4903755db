"""TensorFlow and Keras, imported once and quietly; the only module that imports them itself."""

import contextlib
import gc
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Before its logging is set up TensorFlow tells every process, whatever TF_CPP_MIN_LOG_LEVEL says, that it was built
# with oneDNN and that there is no GPU. Everything else that it prints passes.
_CHATTER = re.compile(rb"WARNING: All log messages before absl::InitializeLog|I0000 |E0000 .*cuInit")


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what native code writes to stderr; at the end pass on all that is not known chatter."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held_back.seek(0)
            for line in held_back:
                if not _CHATTER.match(line):
                    os.write(2, line)


@contextlib.contextmanager
def absent(*libraries: str) -> Iterator[None]:
    """Within it, these libraries are not installed, unless the process has imported them already."""
    hidden = [name for name in libraries if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# Nearly all objects that these imports make stay: looking for garbage among them takes a sixth of the time. For these
# libraries Keras has wrappers that nothing here uses, and it would import them where they are installed: as much again.
gc.disable()
with without_chatter(), absent("matplotlib", "scipy", "sklearn"):
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # the driver's part of the chatter comes with the first look for devices

gc.enable()
gc.freeze()
# Keras reads these from keras.json in the user's home folder, where they may be anything.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")

__all__ = ["keras", "tf"]
