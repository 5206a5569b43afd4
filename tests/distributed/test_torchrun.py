"""The command under torchrun: two real processes, talking over Gloo."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes


def torchrun(folder, *program):
    """Run a program in two processes; a hang ends it and fails the test with what each process wrote."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    logs = ["--redirects", "3", "--log-dir", str(folder / "logs")]
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *address, *logs, *map(str, program)],
        env={**os.environ, "OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += "\nit hung"
    written = {
        (stream, rank): "".join(path.read_text() for path in (folder / "logs").rglob(f"{rank}/{stream}.log"))
        for stream in ("stdout", "stderr")
        for rank in (0, 1)
    }
    if process.returncode:
        pytest.fail(f"torchrun ended with {process.returncode}\n{output}\n{written}")
    return written


def test_the_train_command_writes_and_prints_once(train_command, tmp_path):
    written = torchrun(tmp_path, "-m", "mnistkit", *train_command, "--epochs", "2", "--json")
    report = json.loads(written["stdout", 0])
    assert report["test"]["count"] == 100
    assert [row["epoch"] for row in report["history"]] == [1, 2]
    assert written["stdout", 1] == written["stderr", 1] == ""
