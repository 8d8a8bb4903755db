"""Keras Tuner, imported after TensorFlow, and as quietly; the only module that imports it."""

from pipeline.networks.backend import without_chatter

with without_chatter():
    import grpc
    import keras_tuner
    from keras_tuner.src import protos
    from keras_tuner.src.distribute import oracle_client
    from keras_tuner.src.distribute.oracle_chief import OracleServicer
    from keras_tuner.src.distribute.oracle_client import OracleClient
    from keras_tuner.src.engine import conditions
    from keras_tuner.src.engine.trial import Trial

# For so long a call to the chief may keep a worker from seeing a signal. Keras Tuner's own limit is an hour.
oracle_client.TIMEOUT = TIMEOUT_SECONDS = 2

# It prints a value, left over from debugging, whenever a trial travels between processes.
conditions.print = lambda *_: None

__all__ = [
    "TIMEOUT_SECONDS",
    "OracleClient",
    "OracleServicer",
    "Trial",
    "grpc",
    "keras_tuner",
    "protos",
]
