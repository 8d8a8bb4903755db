"""How a stage is called from the shell, and how it ends when the user's input is wrong."""

import inspect
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline.console.removed import how_to_restore
from pipeline.files.errors import UserError
from pipeline.files.names import counted
from pipeline.runtime.signals import Stopped
from pipeline.runtime.sources import ROOT


def run(main: Callable[..., None]) -> NoReturn:
    """Call ``main`` with the words of the command line and end the process.

    A ``main`` that takes any number of words parses them itself. What the console cannot show is printed as an escape.

    Exit codes: 0 when ``main`` returns, 1 after a :class:`UserError` or an error of the operating system, such as a
    missing file, a full disk or too little memory (one line on stderr, no traceback), 2 when the command line has too
    few or too many words or the current folder is not a project's root, 130 after Ctrl-C, 141 where nobody reads the
    output any more, 143 after SIGTERM. Any other exception is a defect and keeps its traceback. Where DVC removed
    committed files before it ran the stage, one more line says how they come back.
    """
    for stream in (sys.stdout, sys.stderr):
        # A test may have put something else there.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    stage = Path(sys.argv[0]).stem
    if not Path("dvc.yaml").exists():
        # Several clones may share an environment, which has the code of one of them.
        root = next((folder for folder in Path.cwd().parents if (folder / "dvc.yaml").exists()), ROOT)
        _say(stage, f"this folder has no dvc.yaml; call it from the project's root: cd {shlex.quote(str(root))}")
        sys.exit(2)
    parameters = inspect.signature(main).parameters.values()
    expected = [parameter.name.upper() for parameter in parameters]
    least = sum(parameter.default is parameter.empty for parameter in parameters)
    words = sys.argv[1:]
    any_number = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if not any_number and not least <= len(words) <= len(expected):
        optional = [f"[{name}]" for name in expected[least:]]
        source = Path(inspect.getfile(main))
        usage = " ".join([f"python -m {source.parent.name}.{source.stem}", *expected[:least], *optional])
        print(f"{stage}: got {counted(len(words), 'argument')}; allowed: {usage}", file=sys.stderr)
        sys.exit(2)
    try:
        main(*words)
        if sys.stdout is not None:
            sys.stdout.flush()
        sys.exit(0)
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain of the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except UserError as error:
        code, message = 1, str(error)
    except OSError as error:
        code, message = 1, f"{error.filename or 'input or output'}: {error.strerror or error}"
    except MemoryError as error:
        code, message = 1, f"{error or 'the program'}: this machine has too little memory for it"
    except Stopped as stopped:
        code, message = 128 + stopped.number, str(stopped)
    except KeyboardInterrupt:
        code, message = 130, "interrupted"
    except Exception:
        _say(stage, how_to_restore())
        raise
    _say(stage, message)
    _say(stage, how_to_restore())
    sys.exit(code)


def _say(stage: str, message: str | None) -> None:
    """Print ``message`` on one line, whatever the names in it hold."""
    if message is not None:
        print(f"{stage}: {' '.join(message.splitlines())}", file=sys.stderr)
