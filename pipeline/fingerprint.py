"""What code and which libraries decide the result of each stage; a few seconds. Every other stage depends on its own.

One file per stage, fingerprints/<stage>.json, in git: a comment changes none, an edit those of the stages that execute
it, another version of a library those of the stages that import it.
"""

from pipeline.console import command
from pipeline.files.artefacts import write_json
from pipeline.runtime import fingerprints


def main() -> None:
    """Write the fingerprint of every stage."""
    fingerprints.check_folder()
    for stage in fingerprints.STAGES:
        write_json(fingerprints.path_of(stage), fingerprints.locked(stage))


if __name__ == "__main__":
    command.run(main)
