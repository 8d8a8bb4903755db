"""Which runs params.yaml declares, and where each keeps what it makes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.common.command import UserError
from pipeline.common.params import Params

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
        """Validation and training figures over all seeds."""
        return Path("metrics", f"{self.title}.json")

    def log(self, seed: int) -> Path:
        """The folder of one seed's log, epoch by epoch."""
        return Path("metrics", self.title, f"seed-{seed}")

    def predictions(self, seed: int) -> Path:
        """One seed's class probabilities on the test images."""
        return Path("data/predictions", self.title, f"seed-{seed}.npy")

    def mistakes(self, seed: int) -> Path:
        """The test images about which one seed is the most confidently wrong."""
        return Path("data/predictions", self.title, f"seed-{seed}-mistakes.npy")


def declared(params: Params) -> dict[str, list[Run]]:
    """All runs of params.yaml by group, in the order of the study."""
    names: dict[str, Iterable[str]] = {
        "baseline": ["baseline"],
        "scale": params.scale.architectures,
        "regularise": ["regularise"],
        "ablation": params.ablation.runs,
        "tune": params.tune.searches,
    }
    return {group: [Run(group, name) for name in members] for group, members in names.items()}


def of_group(params: Params, group: str) -> list[Run]:
    """The runs of one group. Raises :class:`UserError` for a group that does not exist."""
    groups = declared(params)
    if group not in groups:
        raise UserError(f"no group {group!r}; allowed: {', '.join(groups)}")
    return groups[group]


def find(params: Params, group: str, name: str) -> Run:
    """One run. Raises :class:`UserError` when params.yaml does not declare it."""
    runs = of_group(params, group)
    run = Run(group, name)
    if run not in runs:
        raise UserError(f"no run {name!r}; allowed: {', '.join(run.name for run in runs)}")
    return run


def leftovers(params: Params) -> list[Path]:
    """What lies in models/ and metrics/ of runs that params.yaml no longer declares."""
    found: list[Path] = []
    for group, runs in declared(params).items():
        if group not in GROUPS_OF_ONE:
            names = {run.name for run in runs}
            for folder in (Path("models", group), Path("metrics", group)):
                found += [path for path in sorted(folder.glob("*")) if path.name.removesuffix(".json") not in names]
    return found
