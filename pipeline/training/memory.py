"""How much memory training a network takes, computed before anything of it is made."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.files.errors import UserError
from pipeline.networks.backend import tf
from pipeline.networks.convolutional import PATCH
from pipeline.networks.dense import IMAGE_SHAPE
from pipeline.params.recipe import Recipe
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork, Network
from pipeline.training.optimisers import slots_of

_FLOAT = 4


class TooLargeError(UserError):
    """A network that this machine has no memory for."""

    reason = "too large for the machine's memory"
    epochs = 0


def check(network: Network, recipe: Recipe, classes: int, images: int) -> None:
    """Raise :class:`TooLargeError` where training ``network`` on so many ``images`` takes more than this machine has.

    It says both figures. All memory counts and not what is free at the moment, so that the answer is always the same.
    Of a graphics card's memory only the card can tell: see :func:`exhaustion_told`.
    """
    if tf.config.list_logical_devices("GPU"):
        return
    needed, available = required(network, recipe, classes, images), total()
    if needed > available:
        batch = min(recipe.batch_size, images)
        raise TooLargeError(
            f"{_sizes(network)} and batch_size {batch} need {needed / 1e9:.1f} GB of memory (weights, gradients, the "
            f"optimiser's values, activations, a checkpoint); allowed here: {available / 1e9:.1f} GB"
        )


@contextmanager
def exhaustion_told(network: Network, recipe: Recipe) -> Iterator[None]:
    """Within it, what TensorFlow says where it gets no more memory, as on a card, is a :class:`TooLargeError`."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise TooLargeError(
            f"{_sizes(network)} and batch_size {recipe.batch_size} need more memory than there is: {reason}"
        ) from None


def required(network: Network, recipe: Recipe, classes: int, images: int) -> int:
    """The bytes that training takes at least: those of its steps, or of its checkpoints, whichever are more."""
    weights, values = counts(network, classes)
    slots, average = slots_of(recipe), recipe.average_every > 0
    # The model, its training form and the slots; averaging adds the averages and a form that is validated.
    resident = 2 + slots + 2 * average
    # A checkpoint is copied out of the variables, and then twice into the bytes of its file.
    checkpoint = 3 * (1 + slots + average + (recipe.patience is not None))
    # The backward pass needs each activation, and makes a gradient of it.
    activations = 2 * values * min(recipe.batch_size, images)
    return _FLOAT * (weights * resident + max(weights + activations, weights * checkpoint))


def total() -> int:
    """The bytes of memory that this process may have: the machine's, or what its control group or ulimit leaves."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    own = {Path("/")}
    with suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        groups = [Path(line.split(":", 2)[2]) for line in lines]
        own |= {folder for group in groups for folder in (group, *group.parents)}
    for folder in own:
        for root, name in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            # Not there, or "max": no limit.
            with suppress(OSError, ValueError):
                found.append(int(Path(f"{root}{folder}", name).read_text(encoding="utf-8")))
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min([*found, *([limit] if limit != resource.RLIM_INFINITY else [])])


def counts(network: Network, classes: int) -> tuple[int, int]:
    """The weights of a network, and the values that one image becomes on its way through it."""
    if isinstance(network, ConvolutionalNetwork):
        return _convolutional(network, classes)
    return _dense(network, classes)


def _dense(network: DenseNetwork, classes: int) -> tuple[int, int]:
    height, width, channels = IMAGE_SHAPE
    before = height * width * channels
    weights, values = 0, before
    if network.frequencies:
        across, before = network.frequencies * channels, network.frequencies**2 * channels
        # Two fixed kernels, and of the normalisation a mean and a variance each.
        weights += width * channels * across + height * network.frequencies + 2 * before
        # Across, the same turned, down, and normalised.
        values += 2 * height * across + 2 * before
    for number, (units, dropout) in enumerate(zip(network.units, network.dropout, strict=True)):
        added = network.residual and number > 0 and units == before
        weights += before * units + (4 if network.normalisation else 1) * units
        values += units * (1 + 2 * network.normalisation + (dropout > 0) + added)
        before = units
    return weights + (before + 1) * classes, values + classes


def _convolutional(network: ConvolutionalNetwork, classes: int) -> tuple[int, int]:
    pixels, side = IMAGE_SHAPE[-1], IMAGE_SHAPE[0] - PATCH + 1
    before = 2 * PATCH * PATCH * pixels
    weights, values = (PATCH * PATCH * pixels + 1) * before, IMAGE_SHAPE[0] ** 2 * pixels + 2 * side**2 * before
    for width in network.widths:
        # Two convolutions of 3 by 3, each with a normalisation of three values a channel.
        weights += 9 * before * width + 9 * width * width + 6 * width
        # The first at full size; then the highest of each four, and five more layers.
        values += side**2 * width + 6 * (side // 2) ** 2 * width
        side, before = side // 2, width
    return weights + before * classes, values + before * (2 + (network.dropout > 0)) + classes


def _sizes(network: Network) -> str:
    if isinstance(network, ConvolutionalNetwork):
        return f"blocks of {', '.join(map(str, network.widths))} channels"
    return f"layers of {', '.join(map(str, network.units))} units" if network.units else "no hidden layers"
