"""A `python` and a `dvc` for the tests' projects that start at once: forks of a process that has the libraries.

Importing TensorFlow, Keras, scikit-learn and Matplotlib takes five to nine seconds of processor, and what DVC uses one
or two; the tests start some two hundred processes that do the one, and more that do the other. Here one process
imports them; a fork of it takes the caller's folder, environment and standard streams, imports the project's code from
that folder, and ends as the caller does, also by a signal. The interpreter itself is executed for any other program,
where the caller has other variables that libraries read when they are imported, another file system or other limits,
and always where the system is not Linux.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from dvc.cli.parser import get_main_parser

from pipeline.runtime import fingerprints

# What DVC imports when a command needs it.
OF_DVC = (
    *("dvc.commands.repro", "dvc.dirs", "dvc.repo.artifacts", "dvc.repo.experiments.queue.celery", "dvc.repo.graph"),
    *("dvc.repo.index", "dvc.repo.reproduce", "dvc.repo.stage", "dvc.ui.table", "dvc.utils.strictyaml", "dvclive"),
    *("dvc_data.hashfile.db.local", "dvc_task.app.filesystem", "networkx", "pyparsing"),
)
# Libraries and the interpreter look at these before the project's code runs.
EARLY = ("CUDA", "DNNL", "KERAS", "LANG", "LC_", "LD_", "MALLOC", "MPL", "OMP", "ONEDNN", "PYTHON", "TF_", "XLA")

CLIENT = """#!{python} -IS
import os, resource, sys
words = sys.argv[1:]
if os.path.basename(sys.argv[0]) == "dvc":
    words = ["-m", "dvc", *words]
early = {{name: value for name, value in os.environ.items() if name.startswith({names})}}
inherited = [os.readlink("/proc/self/ns/mnt"), *resource.getrlimit(resource.RLIMIT_FSIZE)]
kind, program, *_ = [*words[words[:1] == ["-u"]:], "", ""]
ours = kind == "-c" or kind == "-m" and (program == "dvc" or program.startswith("pipeline."))
if not ours or early != {early} or inherited != {inherited}:
    os.execv({python!r}, [{python!r}, *words])
import json, signal, socket
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: server.send(bytes([number])))
    socket.send_fds(server, [b"."], [0, 1, 2])
    request = json.dumps([os.getcwd(), dict(os.environ), words]).encode()
    server.sendall(len(request).to_bytes(4) + request)
    code = int(server.recv(8))
if code < 0:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def start(environment: Mapping[str, str]) -> str:
    """Start the process and return a folder with the programs `python` and `dvc`, for the front of PATH.

    ``environment``: the one in which stages are called, but for variables that no library reads early. The process ends
    with this one.
    """
    made = tempfile.TemporaryDirectory(prefix="preloaded-")
    atexit.register(made.cleanup)
    if sys.platform != "linux":
        return made.name
    address, program = f"{made.name}/socket", Path(made.name, "python")
    early = {name: value for name, value in environment.items() if name.startswith(EARLY)}
    # What a fork has from the process and not from its caller.
    inherited = [str(Path("/proc/self/ns/mnt").readlink()), *resource.getrlimit(resource.RLIMIT_FSIZE)]
    program.write_text(
        CLIENT.format(python=sys.executable, names=EARLY, early=early, inherited=inherited, address=address)
    )
    program.chmod(0o700)
    Path(made.name, "dvc").symlink_to(program)
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
    """Fork a process for each program that is asked for; return in these alone, with the words of the command line."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        # Nobody asks how a forerunner ended.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A signal to the caller's whole group arrives once, by way of the caller.
    os.setsid()
    with connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
        folder, environment, words = json.loads(connection.recv(size, socket.MSG_WAITALL))
        child = os.fork()
        if child:
            for descriptor in descriptors:
                os.close(descriptor)
            attend(child, connection)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Whoever replaces them must not close the caller's streams.
    streams = [open(number, mode, closefd=False) for number, mode in enumerate("rww")]  # noqa: SIM115
    sys.stdin, sys.stdout, sys.stderr = streams
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(words)


def attend(child: int, caller: socket.socket) -> NoReturn:
    """Hand the caller's signals on to the process ``child``, and its exit code to the caller, with whom it ends."""
    ended = os.pidfd_open(child)
    while ended not in select.select([ended, caller.fileno()], [], [])[0]:
        signals = caller.recv(1)
        os.kill(child, signals[0] if signals else signal.SIGKILL)
        if not signals:
            break
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def run(kind: str, program: str, *words: str) -> None:
    """Run what the interpreter would run as __main__: "-c" and a text, or "-m" and a module."""
    sys.argv, sys.path[0] = [kind, *words], str(Path.cwd())
    if kind == "-c":
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        exec(program, module.__dict__)
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def leave(code: object) -> NoReturn:
    """End as `sys.exit` does, but do not take the libraries apart, which takes half a second."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # noqa: SLF001 -- nothing public runs them
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    # Whatever the stages import, but not the project's own code: each fork imports that of its folder.
    for stage in fingerprints.STAGES:
        importlib.import_module(f"pipeline.{stage}")
    get_main_parser()
    for name in OF_DVC:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.split(".")[0] in ("pipeline", "tests")]:
        del sys.modules[name]
    # A fork that looks for garbage among them would copy all the memory that they lie in.
    gc.freeze()
    words = serve(sys.argv[1])
    if words[0] == "-u":
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), write_through=True)  # type: ignore[union-attr]
        del words[0]
    try:
        run(*words)
    except SystemExit as ended:
        leave(ended.code)
    leave(0)
