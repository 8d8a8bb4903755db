"""``make tidy``: remove what runs left behind that params.yaml no longer declares."""

import shutil
from pathlib import Path

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from pipeline.console import command
from pipeline.files.runs import leftovers, trials_in_git
from pipeline.params import reading, runs


def main() -> None:
    """Remove the leftovers from models/, logs/, metrics/ and dvc.lock, and name each."""
    params = reading.load(*reading.SECTIONS)
    found = set(Path("metrics").glob("*-trials.csv")) - {trials_in_git(search) for search in params.tune.searches}
    for group, members in runs.declared(params).items():
        found |= set(leftovers(group, members, params.train.seeds))
    for path in sorted(found):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        print(f"removed {path}")
    declared = {stage.addressing for stage in Repo().index.stages}
    with modify_yaml("dvc.lock") as lock:
        for stage in set(lock["stages"]) - declared:
            del lock["stages"][stage]
            print(f"removed {stage} from dvc.lock")


if __name__ == "__main__":
    command.run(main)
