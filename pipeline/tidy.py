"""``make tidy``: remove what runs left behind that params.yaml no longer declares. Not a stage."""

import shutil

from pipeline.common import command, params
from pipeline.common.runs import leftovers


def main() -> None:
    """Remove the leftovers and name each."""
    for path in leftovers(params.load()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        print(f"removed {path}")


if __name__ == "__main__":
    command.run(main)
