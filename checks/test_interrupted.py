"""Ctrl-C and SIGTERM under torchrun: the run is saved, and goes on from there to the same bits."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mnistkit.checkpoint import read_checkpoint

PROGRAM = Path(__file__).with_name("interrupted.py")


def default_signals():
    for number in (signal.SIGINT, signal.SIGTERM):  # what runs in the background may ignore the first
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def torchrun(tmp_path):
    """Starts the program in two processes; torchrun has a session of its own, like a terminal's, and ends with the test."""
    started = []

    def start(step):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        here = ["--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(port)]
        process = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *here, str(PROGRAM), str(tmp_path), str(step)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=default_signals,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def told_to_end(process, folder, step, number, *, all_at_once):
    """Send a signal in that step: to torchrun, which passes it on, or also to its processes, as a cluster does."""
    waits = [folder / f"{step}.{rank}.waits" for rank in (0, 1)]
    while not all(file.exists() for file in waits):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for each in [process.pid, *(int(file.read_text()) for file in waits if all_at_once)]:
        os.kill(each, number)
    (folder / f"{step}.sent").touch()


def test_the_run_is_saved_when_told_to_end_and_goes_on_to_the_same_bits(torchrun, tmp_path):
    for step, number, raised in ((2, signal.SIGINT, "KeyboardInterrupt()"), (9, signal.SIGTERM, "SystemExit(143)")):
        process = torchrun(step)
        told_to_end(process, tmp_path, step, number, all_at_once=number == signal.SIGTERM)
        output, _ = process.communicate(timeout=300)
        assert [(tmp_path / f"{step}.{rank}.raised").read_text() for rank in (0, 1)] == [raised, raised], output
        assert read_checkpoint(tmp_path / "interrupted" / "last.safetensors").training["step"] == step + 1
        assert "SIGKILL" not in output
    process = torchrun(0)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    resumed, straight = (load_file(tmp_path / name / "last.safetensors") for name in ("interrupted", "straight"))
    assert resumed.keys() == straight.keys()
    assert [name for name in straight if not torch.equal(resumed[name], straight[name])] == []
