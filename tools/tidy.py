"""``make tidy``: remove what runs left behind that params.yaml no longer declares."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.rwlock import rwlock
from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from pipeline.console import command
from pipeline.files.artefacts import write_text
from pipeline.files.cache import is_cached
from pipeline.files.errors import UserError
from pipeline.files.runs import GROUPS_OF_ONE, leftovers, trials_in_git
from pipeline.params import reading, runs

LOCK = Path("dvc.lock")


def left_behind() -> Iterator[tuple[Path, str | None]]:
    """Each file or empty folder of no declared run, and why it must stay.

    It stays if no stage writes such a file or DVC's cache has no copy.
    """
    params = reading.load(*reading.SECTIONS)
    found = set(Path("metrics").glob("*-trials.csv")) - {trials_in_git(search) for search in params.tune.searches}
    folds, seeds = runs.folds(params), params.train.seeds
    for group, members in runs.declared(params).items():
        found |= set(leftovers(group, [*members, *folds], seeds))
    found |= set(leftovers("folds", folds, seeds))
    for path in sorted(file for leftover in found for file in files_below(leftover)):
        if not is_folder(path) and not written_by_a_stage(path):
            yield path, "no stage writes such a file"
        elif not is_cached(path):
            yield path, "DVC's cache has no copy"
        else:
            yield path, None


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder itself and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def files_below(path: Path) -> Iterator[Path]:
    """``path`` if it is a file or an empty folder, else what is below."""
    entries = list(path.iterdir()) if is_folder(path) else []
    if not entries:
        yield path
    for entry in entries:
        yield from files_below(entry)


def written_by_a_stage(path: Path) -> bool:
    """Whether ``path`` is named as a model, a log, or the trials of a search are."""
    group = path.parts[1]
    run = group if group in GROUPS_OF_ONE else f"{re.escape(group)}/[^/]+"
    log = r"(metrics\.json|plots/metrics/\w+/\w+\.tsv)"
    names = [rf"models/{run}/(seed|fold)-\d+\.keras", rf"logs/{run}/(seed|fold)-\d+/{log}"]
    names += [r"metrics/[^/]+-trials\.csv", r"logs/tune/[^/]+/(trials\.csv|winner\.json)"]
    return any(re.fullmatch(name, path.as_posix()) for name in names)


@contextmanager
def alone(repo: Repo, paths: list[Path]) -> Iterator[None]:
    """Hold DVC's locks on ``paths`` against stages that read or write them."""
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), [], [str(path.absolute()) for path in paths], hardlink):
        yield


def remove(path: Path) -> None:
    """Remove ``path`` and the folders that are empty without it, but for those of whole groups."""
    if is_folder(path):
        path.rmdir()
    else:
        path.unlink()
    for parent in path.parents:
        if len(parent.parts) < 3 or any(parent.iterdir()):
            break
        parent.rmdir()


def forget(repo: Repo) -> list[str]:
    """Remove from dvc.lock the stages that dvc.yaml no longer has; return their names.

    Raises :class:`UserError` where dvc.lock is damaged.
    """
    if not LOCK.exists():
        return []
    try:
        lock = parse_yaml_for_update(LOCK.read_text(encoding="utf-8"), str(LOCK))
        if not isinstance(lock, dict) or not isinstance(lock.get("stages", {}), dict):
            raise ValueError("it has no mapping of stages")
    except (DvcException, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{LOCK} is damaged ({reason}); 'git checkout {LOCK}' brings it back") from None
    names = sorted(set(lock.get("stages", {})) - {stage.addressing for stage in repo.index.stages})
    for name in names:
        del lock["stages"][name]
    if names:
        write_text(LOCK, dumps_yaml(lock))
    return names


def tidy(repo: Repo) -> None:
    """Remove the leftovers from models/, logs/, metrics/ and dvc.lock; say what was removed and what stays."""
    found = dict(left_behind())
    removable = [path for path, reason in found.items() if reason is None]
    if removable:
        with alone(repo, removable):
            stale = set(repo.status())
            for path in removable:
                remove(path)
                print(f"removed {path}")
        # They read declared runs alone, so that what they wrote is what they would write now.
        for stage in sorted(set(repo.status()) - stale):
            repo.commit(stage, force=True)
            print(f"recorded in dvc.lock that {stage} has the same result without them")
    forgotten = forget(repo)
    for name in forgotten:
        print(f"removed {name} from dvc.lock")
    for path, reason in found.items():
        if reason is not None:
            print(f"kept {path}, which is of no declared run: {reason}; remove it or move it away yourself")
    if not removable and not forgotten:
        print("nothing to remove: models/, logs/, metrics/ and dvc.lock have no more of runs that are not declared")


def main() -> None:
    """Tidy, while no other DVC command works here."""
    try:
        repo = Repo()
        with lock_repo(repo):
            tidy(repo)
    except DvcException as error:
        raise UserError(" ".join(line.strip() for line in str(error).splitlines())) from None


if __name__ == "__main__":
    command.run(main)
