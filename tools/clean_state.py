"""``make clean-state``: remove the checkpoints of runs that were stopped; these then begin anew."""

import os

from pipeline.console import command
from pipeline.files.errors import UserError
from pipeline.runtime import checkpoints


def main() -> None:
    """Name every checkpoint, and remove those of this work tree, with ALL=1 those of all, that no process is using."""
    everything = os.environ.get("ALL", "")
    if everything not in ("", "1"):
        raise UserError(f"ALL is {everything}; allowed: 1, to remove the states of other work trees too")
    lines = list(checkpoints.clean(all_work_trees=bool(everything)))
    print("\n".join(lines or [f"nothing to remove in {checkpoints.folder()}"]))


if __name__ == "__main__":
    command.run(main)
