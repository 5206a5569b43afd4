import contextlib
import os
import socket
import sys

import pytest


def worlds():
    """The environments of both, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        world["GLOO_SOCKET_IFNAME"] = "lo"
    return [os.environ | world | {"RANK": str(rank)} for rank in (0, 1)]


@pytest.fixture(scope="session")
def two(forked):
    """Starts a program in the two processes of one run; without torchrun, which ends the others by itself."""

    @contextlib.contextmanager
    def start(*arguments):
        with contextlib.ExitStack() as started:
            yield [started.enter_context(forked.start(*arguments, env=world)) for world in worlds()]

    return start
