"""Where a run keeps its files."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Their single run bears the group's name and needs no folder of its own.
GROUPS_OF_ONE = ("baseline", "regularise")
# What was predicted: the test images, the validation images, or the test images at one look of a model with several.
Predicted = Literal["test", "val", "one-look"]


@dataclass(frozen=True)
class Run:
    """One configuration, trained once per seed."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def title(self) -> str:
        """The run's name for people, and its folder within models/, logs/ and data/predictions/."""
        return self.group if self.group in GROUPS_OF_ONE else f"{self.group}/{self.name}"

    def model(self, seed: int) -> Path:
        """The trained model of one seed."""
        return Path("models", self.title, f"seed-{seed}.keras")

    def log(self, seed: int) -> Path:
        """The folder of one seed's log: its metrics.json, and every epoch."""
        return Path("logs", self.title, f"seed-{seed}")

    def predictions(self, seed: int, of: Predicted = "test") -> Path:
        """One seed's class probabilities."""
        suffix = "" if of == "test" else f"-{of}"
        return Path("data/predictions", self.title, f"seed-{seed}{suffix}.npy")

    def mistakes(self, seed: int) -> Path:
        """The test images that one seed gets wrong with the highest probability."""
        return Path("data/predictions", self.title, f"seed-{seed}-mistakes.npy")

    def untrained(self, seeds: Iterable[int]) -> list[int]:
        """Those of ``seeds`` whose model or log is not there."""
        return [seed for seed in seeds if not (self.model(seed).exists() and self.log(seed).exists())]

    @property
    def trials(self) -> Path:
        """All trials of a search."""
        return Path("logs", self.title, "trials.csv")

    @property
    def winner(self) -> Path:
        """What a search cost, and the hyperparameters of its winner."""
        return Path("logs", self.title, "winner.json")


@dataclass(frozen=True)
class Fold(Run):
    """A run validated on one of ``of`` folds and trained on the others; one seed alone trains it."""

    number: int
    of: int

    @property
    def title(self) -> str:
        """The fold's name for people."""
        return f"{self}, fold {self.number} of {self.of}"

    def model(self, seed: int) -> Path:
        """The trained model."""
        return Path("models/folds", self.name, f"fold-{self.number}.keras")

    def log(self, seed: int) -> Path:
        """The folder of its log, among those of its run's seeds: what evaluate reads of a group lies in one place."""
        return Path("logs", str(self), f"fold-{self.number}")


def trials_in_git(search: str) -> Path:
    """The copy of a search's trials that git keeps."""
    return Path("metrics", f"{search}-trials.csv")


def group_file(group: str, kind: str = "") -> Path:
    """metrics/<group>.json, or with a kind ("seeds", "epochs", "classes") metrics/<group>-<kind>.csv."""
    return Path("metrics", f"{group}-{kind}.csv" if kind else f"{group}.json")


def leftovers(group: str, runs: Collection[Run], seeds: Collection[int]) -> list[Path]:
    """What lies in models/ and logs/ of ``group`` and belongs to none of its ``runs`` and ``seeds``."""
    wanted = {path for run in runs for seed in seeds for path in (run.model(seed), run.log(seed))}
    if group == "tune":
        wanted |= {path for run in runs for path in (run.trials, run.winner)}
    folders = wanted | {parent for path in wanted for parent in path.parents}
    found: list[Path] = []
    waiting = [Path("models", group), Path("logs", group)]
    while waiting:
        for path in sorted(waiting.pop().glob("*")):
            if path not in folders:
                found.append(path)
            elif path not in wanted:
                waiting.append(path)
    return sorted(found)
