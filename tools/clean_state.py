"""``make clean-state``: remove the checkpoints of runs that were killed and will not be continued."""

from pipeline.console import command
from pipeline.runtime import checkpoints


def main() -> None:
    """Remove every checkpoint that no process is using, and name it."""
    lines = list(checkpoints.clean())
    print("\n".join(lines or [f"nothing to remove in {checkpoints.folder()}"]))


if __name__ == "__main__":
    command.run(main)
