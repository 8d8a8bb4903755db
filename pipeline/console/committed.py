"""The test scores that a stage has just written, beside those of the last commit: what an idea has changed."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from pipeline.evaluation.statistics import Statistic
from pipeline.files.artefacts import read_json
from pipeline.files.runs import GROUPS_OF_ONE, Run, group_file


def changed(runs: Iterable[Run]) -> dict[Run, str]:
    """The committed test accuracy, or "new", of each of ``runs`` whose test scores differ from the last commit's.

    Empty where that commit has no scores of any of their groups: then there is nothing to compare with.
    """
    runs = list(runs)
    read = {group: _committed(group) for group in dict.fromkeys(run.group for run in runs)}
    before = {group: entries for group, entries in read.items() if entries is not None}
    if not any(before.values()):
        return {}
    now = {group: _by_run(group, read_json(group_file(group))) for group in before}
    found = {}
    for run in (run for run in runs if run.group in before):
        old, new = before[run.group].get(run.name), now[run.group][run.name]
        if old is None:
            found[run] = "new"
        elif (old["test"], old["n"]) != (new["test"], new["n"]):
            found[run] = _accuracy(old)
    return found


def _by_run(group: str, content: Any) -> dict[str, Any]:
    return {group: content} if group in GROUPS_OF_ONE else content


def _accuracy(entry: Any) -> str:
    return str(Statistic.from_json(entry["test"]["accuracy"], entry["n"]))


def _committed(group: str) -> dict[str, Any] | None:
    """The runs' entries of ``group`` in the last commit: an empty mapping without such a file, a commit, or git.

    None, with a message, where they are damaged.
    """
    path = group_file(group).as_posix()
    words = ["git", "show", f"HEAD:./{path}"]
    try:
        ended = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 -- git, no shell
    except FileNotFoundError:
        return {}
    if ended.returncode:
        return {}
    try:
        entries = {name: entry for name, entry in _by_run(group, json.loads(ended.stdout)).items() if "n" in entry}
        for entry in entries.values():
            _accuracy(entry)
    except (ValueError, TypeError, KeyError, AttributeError):
        print(f"{path} of the last commit is damaged: nothing is compared with it", file=sys.stderr)
        return None
    return entries
