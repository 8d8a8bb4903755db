"""``make tidy``: remove what runs left behind that params.yaml no longer declares."""

import shutil

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from pipeline.console import command
from pipeline.files.runs import leftovers
from pipeline.params import reading, runs


def main() -> None:
    """Remove the leftovers from models/, metrics/ and dvc.lock, and name each."""
    for group, members in runs.declared(reading.load(*reading.SECTIONS)).items():
        for path in leftovers(group, members):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            print(f"removed {path}")
    declared = {stage.addressing for stage in Repo().index.stages}
    with modify_yaml("dvc.lock") as lock:
        for stage in set(lock["stages"]) - declared:
            del lock["stages"][stage]
            print(f"removed {stage} from dvc.lock")


if __name__ == "__main__":
    command.run(main)
