"""How to get back what DVC removed before it ran a stage that then failed."""

import os
import shlex
import subprocess
from pathlib import Path

from pipeline.runtime.worktree import is_temporary


def how_to_restore() -> str | None:
    """One line that names the commands which bring back the missing outputs of the stage that DVC runs.

    None where DVC does not run this process, where no output that git has is missing, and in the folder of a queue
    worker, whose outputs nobody looks for.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None or is_temporary(Path.cwd()):
        return None
    # Here, because a stage that ends well need not wait for it.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        outputs = [output for of_name in Repo().stage.from_target(stage) for output in of_name.outs]
    except DvcException:
        # The user is told why the stage failed, which matters more.
        return None
    in_git = [os.path.relpath(output.fs_path) for output in outputs if not output.use_cache]
    missing = [path for path in in_git if _deleted(path)]
    if not missing:
        return None
    commands = [shlex.join(["git", "checkout", "--", *missing])]
    if any(output.use_cache and not output.exists and not output.changed_cache() for output in outputs):
        commands.append(shlex.join(["dvc", "checkout", stage]))
    return (
        f'DVC removed {shlex.join(missing)} before the stage ran; "{" && ".join(commands)}" brings back what was there'
    )


def _deleted(path: str) -> bool:
    """Whether git has the file, or files of the folder, ``path``, and the work tree has not."""
    words = ["git", "ls-files", "--deleted", "--", path]
    try:
        return bool(subprocess.run(words, capture_output=True, check=False).stdout)  # noqa: S603 -- git, no shell
    except FileNotFoundError:
        # Without git nothing here could bring it back.
        return False
