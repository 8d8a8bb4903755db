"""What two revisions differ in, as DVC sees it: parameters, metrics with their spread over seeds, plots."""

import json
import math
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scipy import stats

from pipeline.evaluation.statistics import Statistic
from pipeline.files.errors import UserError

# Two-sided: a difference that chance alone makes less often is called one.
SIGNIFICANCE = 0.05

_MORE_IS_BETTER = ("accuracy", "precision", "recall", "f1")
_LESS_IS_BETTER = ("loss",)

Verdict = Literal["better", "worse", "within the spread", "one seed: unknown", "changed", "new", "removed"]


@dataclass(frozen=True)
class Change:
    """One score before and after; None where it does not exist."""

    path: str
    name: str
    before: Statistic | None
    after: Statistic | None

    @property
    def verdict(self) -> Verdict:
        """What the change means, given its direction and, by Welch's t-test, the spread over seeds."""
        if self.before is None or self.after is None:
            return "new" if self.before is None else "removed"
        # Of "val.accuracy", or "selected.val_accuracy" in the summary.
        measure = self.name.rpartition(".")[2].rpartition("_")[2]
        if measure not in (*_MORE_IS_BETTER, *_LESS_IS_BETTER):
            return "changed"
        if self.before.std is None or self.after.std is None:
            return "one seed: unknown"
        if _probability(self.before, self.after) >= SIGNIFICANCE:
            return "within the spread"
        return "better" if (self.after.mean > self.before.mean) == (measure in _MORE_IS_BETTER) else "worse"


def _probability(before: Statistic, after: Statistic) -> float:
    """That chance alone makes two means differ so much."""
    if before.std == after.std == 0:
        return 0.0 if before.mean != after.mean else 1.0
    test = stats.ttest_ind_from_stats(
        before.mean, before.std, before.n, after.mean, after.std, after.n, equal_var=False
    )
    return 1.0 if math.isnan(test.pvalue) else float(test.pvalue)


def parameters(revision: str) -> list[tuple[str, Any, Any]]:
    """Name, value at ``revision`` and value in the work tree of every parameter that changed."""
    changed = _diff("params", revision)
    return [
        (name, entry.get("old"), entry.get("new")) for entries in changed.values() for name, entry in entries.items()
    ]


def metrics(revision: str) -> list[Change]:
    """Every score whose mean changed between ``revision`` and the work tree."""
    return [
        Change(path, name, before, after)
        for path, entries in _diff("metrics", revision, "--all").items()
        for name, before, after in _statistics(entries)
        if before != after and (before is None or after is None or before.mean != after.mean)
    ]


def _statistics(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Statistic | None, Statistic | None]]:
    """Put "val.accuracy.mean", ".std" and the run's "n" together again."""
    for leaf, entry in entries.items():
        name, _, kind = leaf.rpartition(".")
        if kind == "mean":
            yield name, _statistic(entries, name, "old"), _statistic(entries, name, "new")
        elif kind not in ("std", "n") and all(isinstance(entry.get(side, 0), int | float) for side in ("old", "new")):
            before, after = (Statistic(entry[side], 1) if side in entry else None for side in ("old", "new"))
            yield leaf, before, after


def _statistic(entries: Mapping[str, Mapping[str, Any]], name: str, side: str) -> Statistic | None:
    mean, std = (entries.get(f"{name}.{kind}", {}).get(side) for kind in ("mean", "std"))
    # A run has one n for all its scores: the nearest around the score.
    parents = [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
    counts = (entries.get(path, {}).get(side) for path in (*(f"{parent}.n" for parent in parents), "n"))
    n = next((int(count) for count in counts if count is not None), 1)
    return None if mean is None else Statistic(mean, n, std)


def plots(revision: str) -> list[str]:
    """Paths of the plots in metrics/ that differ between ``revision`` and the work tree."""
    changed = _run("git", "diff", "--name-only", "-z", revision, "--", "metrics")
    untracked = _run("git", "ls-files", "--others", "--exclude-standard", "-z", "--", "metrics")
    paths = {path.decode() for path in (changed + untracked).split(b"\0") if path}
    return sorted(path for path in paths if path.endswith(".png"))


def plot(revision: str, path: str) -> bytes | None:
    """A plot as it was at ``revision``; None if it was not there."""
    known = _run("git", "ls-tree", "--name-only", revision, "--", path)
    return _run("git", "show", f"{revision}:{path}") if known else None


def commit(revision: str) -> str:
    """The commit that ``revision`` names. Raises :class:`UserError` if there is none."""
    try:
        return _run("git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    except UserError:
        raise UserError(f"REV is {revision}, which git does not know here; allowed: a branch, tag or commit") from None


def _diff(kind: str, revision: str, *options: str) -> dict[str, dict[str, dict[str, Any]]]:
    result: dict[str, dict[str, dict[str, Any]]] = json.loads(_run("dvc", kind, "diff", "--json", *options, revision))
    return result


def _run(*words: str) -> bytes:
    ended = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 -- git and dvc, no shell
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(words)}: {said[-1] if said else f'exit code {ended.returncode}'}")
    return ended.stdout
