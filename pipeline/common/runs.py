"""Which runs params.yaml declares, and where each keeps what it makes."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.common.command import UserError
from pipeline.common.params import Params


@dataclass(frozen=True)
class Run:
    """One configuration, trained once per seed. A group of one run bears the group's name."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def title(self) -> str:
        """The run's name for people, and its folder within models/, metrics/ and data/predictions/."""
        return self.group if self.name == self.group else f"{self.group}/{self.name}"

    def model(self, seed: int) -> Path:
        """The trained model of one seed."""
        return Path("models", self.title, f"seed-{seed}.keras")

    @property
    def metrics(self) -> Path:
        """Validation and training figures over all seeds."""
        return Path("metrics", f"{self.title}.json")

    def log(self, seed: int) -> Path:
        """The folder of one seed's log, epoch by epoch."""
        return Path("metrics", self.title, f"seed-{seed}")

    def predictions(self, seed: int) -> Path:
        """One seed's class probabilities on the test images."""
        return Path("data/predictions", self.title, f"seed-{seed}.npy")


def declared(params: Params) -> dict[str, list[Run]]:
    """All runs of params.yaml by group, in the order of the study."""
    return {"baseline": [Run("baseline", "baseline")]}


def of_group(params: Params, group: str) -> list[Run]:
    """The runs of one group. Raises :class:`UserError` for a group that does not exist."""
    groups = declared(params)
    if group not in groups:
        raise UserError(f"no group {group!r}; allowed: {', '.join(groups)}")
    return groups[group]
