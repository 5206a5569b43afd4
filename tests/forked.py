"""Real processes for the tests that need not import torch and mnistkit, which takes seconds: a server has done it, and forks.

What an interpreter gives to a new program, it has here too: streams, arguments, environment, folder, signals as they are by
default, and an ordinary end with an exit status. Only its imports are there already; so a test of imports, or of how an
interpreter begins and ends, starts one of its own.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

IMPORTED = ["mnistkit.callbacks", "mnistkit.cli", "mnistkit.evaluation", "mnistkit.reading", "mnistkit.recipes"]


class Program:
    """A process that was started; as much of `subprocess.Popen` as the tests need."""

    def __init__(self, status, stdin, stdout, stderr):
        self._status = os.fdopen(status)
        self.stdin, self.stdout, self.stderr = os.fdopen(stdin, "w"), os.fdopen(stdout), os.fdopen(stderr)
        self.pid = int(self._status.readline())
        self.returncode = None

    def poll(self):
        return (
            self.wait() if self.returncode is None and select.select([self._status], [], [], 0)[0] else self.returncode
        )

    def wait(self):
        if self.returncode is None:
            self.returncode = int(self._status.readline())
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self):
        """What it has still to say, and its errors, when it has ended."""
        self.stdin.close()
        with ThreadPoolExecutor(2) as pool:
            output, errors = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.wait()
        return output, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.wait()
        for stream in (self._status, self.stdin, self.stdout, self.stderr):
            stream.close()


class Server:
    """Starts programs; they end with it."""

    def __init__(self):
        self._requests, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            # Of a session of its own: Ctrl-C is for the tests.
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)

    def close(self):
        self._requests.close()
        self._process.wait()

    def start(self, *arguments, env=None, cwd=None, stdout=None, stderr=None, timeout=300):
        """Start `python *arguments`, where the first is "-m", "-c" or a file; one that hangs is ended by SIGALRM.

        `stdout` and `stderr` are descriptors in the place of the pipes to here.
        """
        told = {
            "arguments": [str(argument) for argument in arguments],
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or Path.cwd()),
            "timeout": timeout,
        }
        # For the request, the streams and the status: where it is read and where it is written.
        pipes = [os.pipe() for _ in range(5)]
        (asked, ask), (read, stdin), (output, write), (errors, complain), (status, tell) = pipes
        standard = [read, write if stdout is None else stdout, complain if stderr is None else stderr]
        socket.send_fds(self._requests, [b"!"], [asked, *standard, tell])
        for descriptor in (asked, read, write, complain, tell):
            os.close(descriptor)
        with os.fdopen(ask, "w") as request:
            json.dump(told, request)
        return Program(status, stdin, output, errors)

    def run(self, *arguments, **options):
        """As `subprocess.run`, with the output as text."""
        with self.start(*arguments, **options) as program:
            output, errors = program.communicate()
        return subprocess.CompletedProcess(arguments, program.returncode, output, errors)


def serve(requests):
    """Import, and fork for each request; returns in the process of a program, with its request."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # A program's collector need not look at what is here, and so copy it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how the keepers of the programs end.
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, 1, 5)
        if not message:
            sys.exit()
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked, *standard, status = descriptors
    with os.fdopen(asked) as request:
        told = json.load(request)
    pid = os.fork()
    if pid:
        keep(pid, standard, status)
    os.close(status)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    return told


def keep(pid, standard, status):
    """Tell how the program ends."""
    for descriptor in standard:
        os.close(descriptor)
    with os.fdopen(status, "w") as file:
        print(pid, file=file, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=file, flush=True)
    os._exit(0)


def begin(told):
    """What an interpreter does before it runs a program."""
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(told["timeout"])


def run(kind, *arguments):
    """The program, as `python` does with the same arguments."""
    sys.argv = [kind, *arguments]
    sys.path[0] = str(Path.cwd()) if kind.startswith("-") else str(Path(kind).parent)
    if kind == "-m":
        sys.argv = list(arguments)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = [kind, *arguments[1:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[0], "<string>", "exec"), vars(main))
    else:
        runpy.run_path(kind, run_name="__main__")


def status_of(told):
    """The program's exit status, when its last line is done."""
    try:
        run(*told["arguments"])
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  (as an interpreter does)
        traceback.print_exc()
        return 1
    return 0


def main():
    status = 0

    def leave():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    # Registered first and so done last, in the place of taking all modules apart: a second, after a fork.
    atexit.register(leave)
    told = serve(socket.socket(fileno=int(sys.argv[1])))
    begin(told)
    status = status_of(told)


if __name__ == "__main__":
    main()
