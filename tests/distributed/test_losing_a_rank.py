"""Two real processes, of which one dies or falls silent: the other one does not wait for ever, and says why."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

PROGRAM = Path(__file__).with_name("losing_a_rank.py")


@pytest.mark.parametrize("how", ["dies", "silent"])
def test_the_other_rank_ends_with_a_clear_error(how):
    # Without torchrun, which would end the other one by itself, as soon as one has died.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        world["GLOO_SOCKET_IFNAME"] = "lo"
    first, second = (
        subprocess.Popen(
            [sys.executable, str(PROGRAM), how],
            env=os.environ | world | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    )
    try:
        output, errors = first.communicate(timeout=400)
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert output.startswith("ProcessGroupError process 0 of 2 waited in vain for another one"), errors
    assert first.returncode == 0
