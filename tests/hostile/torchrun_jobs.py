"""Jobs of two processes under torchrun, two at a time: what has finished its work returns 0."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.hostile import Outcome, report

PATIENCE = 180
JOB = """
import sys
from pathlib import Path
import torch
from mnistkit import Checkpoint, CSVLogger, Trainer, create_model, load_mnist

torch.set_num_threads(1)
folder = Path(sys.argv[1])
train, validation, _ = load_mnist()
callbacks = [Checkpoint(folder), CSVLogger(folder / "history.csv")]
trainer = Trainer(create_model("mlp", hidden=(16,)), callbacks=callbacks, batch_size=16, device="cpu", progress=False)
trainer.fit(train[:200], validation[:50], epochs=2)
print("done", flush=True)
"""


def job(folder: Path) -> str:
    """What is wrong with it; nothing if all is well."""
    folder.mkdir()
    program = folder / "job.py"
    program.write_text(JOB)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = ["--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    command = [sys.executable, "-m", "torch.distributed.run", *address, str(program), str(folder / "run")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {PATIENCE} s"
    if done.returncode or done.stdout.count("done") != 2:
        return f"returned {done.returncode}, {done.stdout.count('done')} ranks finished\n{done.stderr[-2000:]}"
    return ""


def run(seed: int, seconds: float) -> Outcome:
    end = time.monotonic() + seconds

    def jobs(root: Path, worker: int) -> tuple[int, int]:
        tried = failed = 0
        while tried == 0 or time.monotonic() < end:
            wrong = job(root / f"{worker}-{tried}")
            if wrong:
                failed += 1
                report(seed, tried, wrong)
            tried += 1
        return tried, failed

    with tempfile.TemporaryDirectory() as root, ThreadPoolExecutor(2) as pool:
        tried, failed = (
            sum(part) for part in zip(*pool.map(lambda worker: jobs(Path(root), worker), (0, 1)), strict=True)
        )
    return Outcome(tried, failed)
