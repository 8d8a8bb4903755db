"""Where a run keeps its files."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

# Their single run bears the group's name and needs no folder of its own.
GROUPS_OF_ONE = ("baseline", "regularise")


@dataclass(frozen=True)
class Run:
    """One configuration, trained once per seed."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def title(self) -> str:
        """The run's name for people, and its folder within models/, metrics/ and data/predictions/."""
        return self.group if self.group in GROUPS_OF_ONE else f"{self.group}/{self.name}"

    def model(self, seed: int) -> Path:
        """The trained model of one seed."""
        return Path("models", self.title, f"seed-{seed}.keras")

    @property
    def metrics(self) -> Path:
        """Validation and training metrics over all seeds."""
        return Path("metrics", f"{self.title}.json")

    def log(self, seed: int) -> Path:
        """The folder of one seed's log, epoch by epoch."""
        return Path("metrics", self.title, f"seed-{seed}")

    def predictions(self, seed: int) -> Path:
        """One seed's class probabilities on the test images."""
        return Path("data/predictions", self.title, f"seed-{seed}.npy")

    def mistakes(self, seed: int) -> Path:
        """The test images that one seed gets wrong with the highest probability."""
        return Path("data/predictions", self.title, f"seed-{seed}-mistakes.npy")


def leftovers(group: str, declared: Collection[Run]) -> list[Path]:
    """What lies in models/ and metrics/ of runs of ``group`` that are not ``declared``."""
    if group in GROUPS_OF_ONE:
        return []
    names = {run.name for run in declared}
    folders = Path("models", group), Path("metrics", group)
    return [
        path for folder in folders for path in sorted(folder.glob("*")) if path.name.removesuffix(".json") not in names
    ]
