"""``make clean-state``: remove the states of runs that were killed and will not be continued. Not a stage."""

from pipeline.common import command, state


def main() -> None:
    """Remove every state that no process is using, and name it."""
    lines = list(state.clean())
    print("\n".join(lines or [f"nothing to remove in {state.folder()}"]))


if __name__ == "__main__":
    command.run(main)
