"""How a stage is called from the shell, and how it ends when the user's input is wrong."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline.files.errors import UserError
from pipeline.runtime.signals import Stopped


def run(main: Callable[..., None]) -> NoReturn:
    """Call ``main`` with the words of the command line and end the process.

    A ``main`` that takes any number of words parses them itself.

    Exit codes: 0 when ``main`` returns, 1 after a :class:`UserError` or an error of the operating system, such as a
    missing file or a full disk (one line on stderr, no traceback), 2 when the command line has too few or too many
    words, 130 after Ctrl-C, 143 after SIGTERM. Any other exception is a defect and keeps its traceback.
    """
    stage = Path(sys.argv[0]).stem
    parameters = inspect.signature(main).parameters.values()
    expected = [parameter.name.upper() for parameter in parameters]
    words = sys.argv[1:]
    any_number = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if not any_number and len(words) != len(expected):
        usage = " ".join([f"python -m pipeline.{stage}", *expected])
        print(f"{stage}: got {len(words)} arguments; allowed: {usage}", file=sys.stderr)
        sys.exit(2)
    try:
        main(*words)
    except UserError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"{stage}: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    except Stopped as stopped:
        print(f"{stage}: {stopped}", file=sys.stderr)
        sys.exit(128 + stopped.number)
    except KeyboardInterrupt:
        print(f"{stage}: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
