"""How a network is trained: every part that a person can set."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "mixed_bfloat16"]
Optimiser = Literal["adam", "sgd"]
Schedule = Literal["constant", "linear", "cosine"]
Flip = Literal["none", "random", "alternating"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    With ``patience``, training stops after so many epochs without a lower val_loss, and the weights of the epoch with
    the lowest val_loss are kept; without, all ``epochs`` are trained and the last weights are kept.

    ``learning_rate`` is the highest of ``schedule``. "constant": the same at every step; with a ``reduce_lr_patience``
    other than 0 it is halved each time that so many epochs brought no lower val_loss. "linear", "cosine" (Loshchilov
    and Hutter, 2017, without restarts): up from zero over the fraction ``warm_up`` of all steps, then down to
    ``final_rate`` times the highest.

    ``optimiser``: Adam (Kingma and Ba, 2015), or stochastic gradient descent with Nesterov's ``momentum`` (Sutskever et
    al., 2013). Before each step a kernel loses the fraction learning rate times ``weight_decay`` of itself (Loshchilov
    and Hutter, 2019: decoupled; with adam that is AdamW). The rate of everything else (biases, and the scales and
    offsets of batch normalisation) is ``bias_rate_factor`` times that of kernels (Jordan, 2024).

    ``label_smoothing``: so much of each label is spread over all classes alike (Szegedy et al., 2016). ``flip``: each
    image mirrored or not, at random, or in alternation from epoch to epoch (Jordan, 2024). ``shift``: by up to so many
    pixels each way, the border reflected. ``cutout``: a square of so many pixels is blanked (DeVries and Taylor, 2017).
    ``mixup``: images and labels are mixed in pairs, in shares from the distribution Beta(mixup, mixup) (Zhang et al.,
    2018). 0 leaves each of them out.

    With ``average_every`` other than 0, the weights that are validated and kept are a moving average (Polyak
    and Juditsky, 1992): after so many steps each, it moves by 1 - ``average_decay`` towards the weights, and by more in
    the beginning.
    """

    epochs: int
    batch_size: int
    precision: Precision
    learning_rate: float
    patience: int | None = None
    reduce_lr_patience: int = 0
    optimiser: Optimiser = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    bias_rate_factor: float = 1.0
    schedule: Schedule = "constant"
    warm_up: float = 0.0
    final_rate: float = 0.0
    label_smoothing: float = 0.0
    flip: Flip = "none"
    shift: int = 0
    cutout: int = 0
    mixup: float = 0.0
    average_every: int = 0
    average_decay: float = 0.99
