"""A `python` for the tests' projects whose stages start at once: they are forked from a process that has the libraries.

Importing TensorFlow, Keras, scikit-learn and Matplotlib takes five to nine seconds of processor, and the tests start
some two hundred stages. Here one process imports them; a stage is a fork of it with the
caller's folder, environment and standard streams. Any other program, and a stage with other variables that libraries
read when they are imported, is executed by the interpreter itself, as everything is where the system is not Linux.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.runtime import fingerprints

# Libraries and the interpreter look at these before the project's code runs.
EARLY = ("CUDA", "KERAS", "LANG", "LC_", "LD_", "MALLOC", "MPL", "OMP", "ONEDNN", "PYTHON", "TF_", "XLA")

CLIENT = """#!{python} -IS
import os, sys
early = {{name: value for name, value in os.environ.items() if name.startswith({names})}}
if sys.argv[1:2] != ["-m"] or not sys.argv[2].startswith("pipeline.") or early != {early}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
import json, socket
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    with server.makefile("rw") as stream:
        stream.write(json.dumps([os.getcwd(), dict(os.environ), sys.argv[2:]]) + chr(10))
        stream.flush()
        # Nothing comes from a stage that a signal ended.
        sys.exit(int(stream.readline() or 1))
"""


def start(environment: Mapping[str, str]) -> str:
    """Start the process and return a folder with the program `python`, for the front of PATH.

    ``environment``: the one in which stages are called, but for variables that no library reads early. The process ends
    with this one.
    """
    made = tempfile.TemporaryDirectory(prefix="preloaded-")
    atexit.register(made.cleanup)
    if sys.platform != "linux":
        return made.name
    address, program = f"{made.name}/socket", Path(made.name, "python")
    early = {name: value for name, value in environment.items() if name.startswith(EARLY)}
    program.write_text(CLIENT.format(python=sys.executable, names=EARLY, early=early, address=address))
    program.chmod(0o700)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded", address],
        cwd=Path(__file__).parent.parent,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(server.stdin.close)
    assert server.stdout.readline() == b"ready\n"
    return made.name


def serve(address: str) -> list[str]:
    """Fork a process for each stage that is asked for; return in these alone, with the words of the stage."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        # Nobody asks how a stage's forerunner ended.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    with connection, connection.makefile("rw") as stream:
        folder, environment, words = json.loads(stream.readline())
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            stream.write(f"{os.WEXITSTATUS(status)}\n" if os.WIFEXITED(status) else "")
            stream.flush()
            os._exit(0)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate("rww"))  # noqa: PTH123, SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(words)


if __name__ == "__main__":
    # Whatever the stages import, but not the project's own code: each stage imports that of its folder.
    for stage in fingerprints.STAGES:
        importlib.import_module(f"pipeline.{stage}")
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        del sys.modules[name]
    sys.argv = serve(sys.argv[1])
    sys.path[0] = str(Path.cwd())
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
