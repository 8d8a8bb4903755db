"""What two revisions differ in: parameters, metrics with their spread over seeds, plots; and what cannot be read."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.comparison import SIGNIFICANCE, Comparison, compare
from pipeline.evaluation.statistics import Statistic
from pipeline.files.errors import UserError
from pipeline.params.reading import PARAMS
from tools import revisions

_MORE_IS_BETTER = ("accuracy", "precision", "recall", "f1")
_LESS_IS_BETTER = ("loss",)
# The report's, made of the other files' scores.
_COMPARISONS = "metrics/comparisons.json"


@dataclass(frozen=True)
class Change:
    """One score before and after; None where it does not exist.

    ``missing`` says that its run is there and this score of it is not, or holds nothing.
    """

    path: str
    name: str
    before: Statistic | None
    after: Statistic | None
    missing: bool = False

    @property
    def comparison(self) -> Comparison | None:
        """The score after less that before; None where one does not exist, or where neither direction is better.

        None too over folds, whose training images overlap, and of an ensemble, which has one value over all seeds: no
        test of independent values fits them.
        """
        if self.before is None or self.after is None or self._measure not in (*_MORE_IS_BETTER, *_LESS_IS_BETTER):
            return None
        if {"folds", "ensemble"} & set(self.name.split(".")):
            return None
        return compare(self.after, self.before)

    @property
    def verdict(self) -> str:
        """What the change means, given its direction and, by Welch's t-test, the spread over seeds."""
        if not all(side.finite for side in (self.before, self.after) if side is not None):
            return "not a number"
        if self.missing:
            return "missing"
        if self.before is None or self.after is None:
            return "new" if self.before is None else "removed"
        comparison = self.comparison
        if comparison is None:
            return "changed"
        if comparison.p is None:
            return f"unknown: {comparison.problem}"
        if comparison.p >= SIGNIFICANCE:
            return "not told apart"
        return "better" if (comparison.difference > 0) == (self._measure in _MORE_IS_BETTER) else "worse"

    @property
    def _measure(self) -> str:
        """The "accuracy" of "val.accuracy", or of "selected.val_accuracy" in the summary."""
        return self.name.rpartition(".")[2].rpartition("_")[2]


def unreadable(revision: str) -> list[str]:
    """A line for params.yaml and each metrics file that cannot be read at ``revision`` or in the work tree."""
    found = []
    for path in [str(PARAMS), _COMPARISONS, *_metrics_files(revision)]:
        for side in (revision, None):
            try:
                revisions.parsed(side, path)
            except UserError as error:
                found.append(str(error))
    return found


def parameters(revision: str) -> list[tuple[str, Any, Any]] | None:
    """Each changed parameter's name, value at ``revision`` and value in the work tree, by name.

    None where these cannot be read, or where the work tree has none.
    """
    # Not by `dvc params diff`, which fails where dvc.lock is damaged.
    try:
        before, after = (revisions.parsed(side, str(PARAMS)) for side in (revision, None))
        if after is None:
            return None
        return _differing(dict(_leaves(before or {})), dict(_leaves(after)))
    except (UserError, RecursionError):
        # The latter where an alias stands within what it names.
        return None


def texts(revision: str) -> list[tuple[str, Any, Any]]:
    """Each text, or list of texts, in metrics files that changed, as :func:`parameters` gives parameters.

    They name the images, the selected runs and the members of an ensemble. Files that :func:`unreadable` names are
    left out.
    """
    sides: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for path in _metrics_files(revision):
        try:
            parsed = [revisions.parsed(side, path) for side in (revision, None)]
        except UserError:
            continue
        for found, side in zip(sides, parsed, strict=True):
            found |= {
                f"{path.removeprefix('metrics/').removesuffix('.json')}: {name}": value
                for name, value in _leaves(side or {})
                if all(isinstance(each, str) for each in (value if isinstance(value, list) else [value]))
            }
    return _differing(*sides)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [name for name in {*old, *new} if (name in old, old.get(name)) != (name in new, new.get(name))]
    return [(name, old.get(name), new.get(name)) for name in sorted(names)]


def _leaves(section: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def metrics(revision: str) -> list[Change]:
    """Every score whose mean changed between ``revision`` and the work tree, and every one that is no number.

    Files that :func:`unreadable` names are left out.
    """
    found: list[Change] = []
    for path in _metrics_files(revision):
        try:
            before, after = (revisions.parsed(side, path) for side in (revision, None))
        except UserError:
            continue
        found += _changes(path, before, after)
    return found


def answers(revision: str) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """The declared comparisons whose verdict changed, by question, with what the report says of each on both sides."""
    try:
        sides = [revisions.parsed(side, _COMPARISONS) or {} for side in (revision, None)]
    except UserError:
        return []
    before, after = ({key: value for key, value in side.items() if isinstance(value, dict)} for side in sides)
    pairs = [(question, before.get(question, {}), after.get(question, {})) for question in sorted({*before, *after})]
    return [(question, old, new) for question, old, new in pairs if old.get("verdict") != new.get("verdict")]


def _metrics_files(revision: str) -> list[str]:
    both = revisions.names(revision, "metrics") | {path.as_posix() for path in Path("metrics").rglob("*.json")}
    return sorted(path for path in both if path.endswith(".json") and path != _COMPARISONS)


def _changes(path: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Change]:
    there = new is not None
    old, new = old or {}, new or {}
    earlier, later = dict(_statistics(old)), dict(_statistics(new))
    for name in {**later, **earlier}:
        before, after = earlier.get(name), later.get(name)
        empty = any(name in scores and scores[name] is None for scores in (earlier, later))
        missing = empty or (name not in later and there and _left(name.partition(".")[0], old, new))
        change = Change(path, name, before, after, missing)
        equal = before is not None and after is not None and before.mean == after.mean
        if not equal or change.verdict == "not a number":
            yield change


def _left(first: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the run of a score is still there, so that the score alone is missing.

    ``first``: the first part of the score's name. It is the run, unless the file is of one run and so has an n itself.
    """
    if "n" in old or "n" in new:
        return True
    if first not in new:
        return False
    return not isinstance(new[first], dict) or any(
        isinstance(side.get(first), dict) and "n" in side[first] for side in (old, new)
    )


def _statistics(entry: Mapping[str, Any], n: Any = None, prefix: str = "") -> Iterator[tuple[str, Statistic | None]]:
    """Every score by its dotted name; None where it holds nothing. A run has one ``n`` for all its scores."""
    n = entry.get("n", n)
    for key, value in entry.items():
        name = f"{prefix}{key}"
        match value:
            case {"mean": list()}:
                pass
            case {"mean": _} | {"std": _}:
                yield name, _statistic(value, value.get("n", n))
            case dict():
                yield from _statistics(value, n, f"{name}.")
            case None if n is None:
                # Not of a run, so that it may say that there is nothing to say.
                pass
            case bool() if n is None:
                # Of the images, and no score.
                yield name, Statistic(int(value), 1)
            case None | int() | float() if key != "n":
                yield name, _statistic({"mean": value}, 1)


def _statistic(entry: Mapping[str, Any], n: Any) -> Statistic | None:
    mean, std = entry.get("mean"), entry.get("std")
    if mean is None or n is None:
        return None
    mean, spread = number(mean), None if std is None else number(std)
    counted = isinstance(n, int) and number(n) > 0
    if not counted or not math.isfinite(mean) or not 0 <= (spread or 0) < math.inf:
        return Statistic(math.nan, 0)
    return Statistic(mean, n, spread)


def number(value: Any) -> float:
    """``value`` as a float; nan where it is none, or too large for one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def plots(revision: str) -> list[str]:
    """Paths of the plots in metrics/ that differ between ``revision`` and the work tree."""
    changed = revisions.run("git", "diff", "--name-only", "-z", revision, "--", "metrics")
    untracked = revisions.run("git", "ls-files", "--others", "--exclude-standard", "-z", "--", "metrics")
    paths = {path.decode() for path in (changed + untracked).split(b"\0") if path}
    return sorted(path for path in paths if path.endswith(".png"))


def plot(revision: str, path: str) -> bytes | None:
    """A plot as it was at ``revision``; None if it was not there."""
    return revisions.content(revision, path)


def commit(revision: str) -> str:
    """The commit that ``revision`` names. Raises :class:`UserError` if there is none."""
    try:
        found = revisions.run("git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    except UserError:
        found = ""
    # Git takes ^HEAD too, which names all but a commit's history.
    if not re.fullmatch("[0-9a-f]{40,}", found):
        raise UserError(f"REV is {revision}, which git does not know here; allowed: a branch, tag or commit")
    return found
