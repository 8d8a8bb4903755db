"""Which devices train, with how many threads, and what else decides the last bits of a result."""

import functools
import os
import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeline.files.errors import UserError
from pipeline.networks.backend import tf
from pipeline.params.training import Device, Strategy, TrainParams

# Variables that change what TensorFlow computes, with the values that leave it as it is. oneDNN's have two names.
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "DNNL_DEFAULT_FPMATH_MODE": ("STRICT",),
    "DNNL_MAX_CPU_ISA": ("ALL", "DEFAULT"),
    "NVIDIA_TF32_OVERRIDE": ("0",),
    "ONEDNN_DEFAULT_FPMATH_MODE": ("STRICT",),
    "ONEDNN_MAX_CPU_ISA": ("ALL", "DEFAULT"),
    "TF_ENABLE_ONEDNN_OPTS": ("1",),
    "TF_XLA_FLAGS": (),
    "XLA_FLAGS": (),
}


def scope(train: TrainParams) -> AbstractContextManager[Any]:
    """Within it, models, programs and resident images are made for the devices that :func:`prepare` chooses.

    "mirrored" keeps a copy of the weights on every device of the kind, and each batch is divided among them.
    """
    prepare(train.device, train.threads)
    chosen: AbstractContextManager[Any] = _strategy(train.strategy).scope()
    return chosen


@functools.cache
def _strategy(strategy: Strategy) -> Any:
    if strategy == "one_device":
        return tf.distribute.get_strategy()
    logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([entry.name for entry in logical])


@functools.cache
def prepare(device: Device, threads: int) -> None:
    """Choose the devices of this process, before anything is computed on them.

    "auto" takes graphics cards where there are some. The processor computes with ``threads`` threads, whatever cores it
    has, because the order of additions, and so the last bits, depend on them; 0: as many as there are cores. Raises
    :class:`UserError` for "gpu" where TensorFlow finds none, and for a variable of the environment that changes what
    TensorFlow computes.
    """
    for name, harmless in _VARIABLES.items():
        value = os.environ.get(name)
        if value and value not in harmless:
            allowed = " or ".join(("unset", *harmless))
            raise UserError(f"{name} is {value}, which changes the bytes of what is trained; allowed: {allowed}")
    _set_threads(threads)
    cards = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not cards:
        raise UserError("params.yaml: train.device is gpu, but TensorFlow finds no GPU; allowed here: auto, cpu")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        cards = []
    for card in cards:
        # By default TensorFlow reserves all memory of a card, even where other processes use it.
        tf.config.experimental.set_memory_growth(card, True)
    if cards:
        # By default a card rounds float32 factors to ten bits, and adds in any order.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.config.experimental.enable_op_determinism()


def _set_threads(threads: int) -> None:
    """Raises RuntimeError where TensorFlow has begun to compute with other threads."""
    pools = tf.config.threading
    if (pools.get_intra_op_parallelism_threads(), pools.get_inter_op_parallelism_threads()) != (threads, threads):
        pools.set_intra_op_parallelism_threads(threads)
        pools.set_inter_op_parallelism_threads(threads)


def identity(train: TrainParams) -> dict[str, Any]:
    """What of the machine and of ``train`` decides the last bits of a result, beside code and libraries."""
    prepare(train.device, train.threads)
    shared = train.model_dump(include={"device", "strategy", "threads"})
    devices = [entry.name for entry in tf.config.list_logical_devices()]
    return shared | {"devices": devices, "cores": os.cpu_count() if not train.threads else None} | _processor()


def multiplies_bfloat16() -> bool:
    """Whether products of bfloat16 factors are fast here: on a graphics card, or by instructions of the processor."""
    return bool(tf.config.list_logical_devices("GPU")) or not {"avx512_bf16", "amx_bf16"}.isdisjoint(
        _processor()["instructions"]
    )


def _processor() -> dict[str, Any]:
    """The instruction sets of this machine's processor, by which libraries choose their kernels."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text().splitlines() if found.exists() else [f"flags: {platform.processor()}"]
    flags = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return {"machine": platform.machine(), "instructions": sorted(flags.split())}
