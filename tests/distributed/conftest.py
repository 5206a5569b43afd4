import os
import socket
import sys

import pytest


@pytest.fixture
def worlds():
    """The environments of two processes of one run, by rank; without torchrun, which ends the others by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        world["GLOO_SOCKET_IFNAME"] = "lo"
    return [os.environ | world | {"RANK": str(rank)} for rank in (0, 1)]
