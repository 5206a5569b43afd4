import os
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def start():
    """Starts `python -m mnistkit`, as a shell in the foreground would, and ends it with the test."""
    started = []

    def start(arguments, limits=lambda: None):
        def prepare():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # A test run in the background may ignore it.
            limits()

        process = subprocess.Popen(
            [sys.executable, "-m", "mnistkit", *arguments],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
