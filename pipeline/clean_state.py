"""``make clean-state``: remove the states of runs that were killed and will not be continued. Not a stage."""

import shutil

from pipeline.common import command, state


def main() -> None:
    """Remove the folder of all states and name it."""
    folder = state.folder()
    if folder.exists():
        shutil.rmtree(folder)
    print(f"removed {folder}")


if __name__ == "__main__":
    command.run(main)
