"""Keras Tuner, imported after TensorFlow, and as quietly; the only module that imports it."""

from pipeline.common.backend import without_chatter

with without_chatter():
    import grpc
    import keras_tuner
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer
    from keras_tuner.src.distribute.oracle_client import OracleClient
    from keras_tuner.src.distribute.utils import has_chief_oracle, is_chief_oracle
    from keras_tuner.src.engine.trial import Trial

__all__ = [
    "OracleClient",
    "OracleServicer",
    "Trial",
    "grpc",
    "has_chief_oracle",
    "is_chief_oracle",
    "keras_tuner",
    "protos",
]
