"""Training on two machines: two network namespaces with addresses of their own, joined by a cable."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("two_machines.py")
ADDRESSES = {"mnistkit-one": "10.213.0.1", "mnistkit-two": "10.213.0.2"}
CABLE = dict(zip(ADDRESSES, ("mnistkit1", "mnistkit2"), strict=True))


def ip(*arguments):
    """Debian's `ip`, or a skip that says what it refused."""
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"no network namespaces here: ip {' '.join(arguments)} says {result.stderr.strip()!r}")


@pytest.fixture
def machines():
    """The names of two namespaces that reach each other and nothing else."""
    if not shutil.which("ip"):
        pytest.skip("needs Debian's iproute2, which .ci/run installs")
    try:
        for name in ADDRESSES:
            ip("netns", "add", name)
        (one, first), (two, second) = CABLE.items()
        ip("link", "add", first, "netns", one, "type", "veth", "peer", "name", second, "netns", two)
        for name, address in ADDRESSES.items():
            ip("-n", name, "address", "add", f"{address}/24", "dev", CABLE[name])
            ip("-n", name, "link", "set", CABLE[name], "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield list(ADDRESSES)
    finally:
        for name in ADDRESSES:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def started(machine, folder):
    """Torchrun on one machine; its processes listen on the cable."""
    endpoint = f"{next(iter(ADDRESSES.values()))}:29400"
    # Both have the name of this computer, by which torchrun would tell who serves the meeting.
    serves = f"is_host={str(machine == next(iter(ADDRESSES))).lower()}"
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", "digits", "--rdzv-conf", serves]
    here = ["--nnodes", "2", "--nproc-per-node", "1", "--local-addr", ADDRESSES[machine]]
    command = [sys.executable, "-m", "torch.distributed.run", *here, *rendezvous, str(PROGRAM), str(folder)]
    with (folder / f"{machine}.log").open("w") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", machine, *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": CABLE[machine]},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def test_two_machines_train_together_and_end_with_the_same_weights(machines, tmp_path):
    processes = [started(machine, tmp_path) for machine in machines]
    try:
        codes = [process.wait(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = "\n".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))
    assert codes == [0, 0], logs
    one, two = (load_file(tmp_path / f"{rank}-of-2.safetensors") for rank in (0, 1))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (tmp_path / "run" / "best.safetensors").exists()
