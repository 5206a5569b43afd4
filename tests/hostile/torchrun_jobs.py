"""Jobs of two processes under torchrun, two at a time: what has finished its work returns 0."""

import contextlib
import os
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.forked import Server
from tests.hostile import Outcome, report

# A job that hangs is a failure, one on a busy machine is not: twelve programs at once made 15 s into 190.
PATIENCE = 1800
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


def job(server: Server, folder: Path) -> str:
    """What is wrong with it; nothing if all is well."""
    folder.mkdir()
    program = folder / "job.py"
    program.write_text(JOB)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Torchrun itself is forked; its two processes are interpreters from their start to their end, where jobs have failed.
    address = ["--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    command = ["-m", "torch.distributed.run", *address, program, folder / "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    done = server.run(*command, env=environment, timeout=PATIENCE)
    if done.returncode or done.stdout.count("done") != 2:
        return f"returned {done.returncode}, {done.stdout.count('done')} ranks finished\n{done.stderr[-2000:]}"
    return ""


def run(seed: int, seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory() as root, contextlib.closing(Server()) as server:
        end = time.monotonic() + seconds

        def jobs(worker: int) -> tuple[int, int]:
            tried = failed = 0
            # The first is tried however short the time is.
            while time.monotonic() < end or tried == worker == 0:
                wrong = job(server, Path(root) / f"{worker}-{tried}")
                if wrong:
                    failed += 1
                    report(seed, tried, wrong)
                tried += 1
            return tried, failed

        with ThreadPoolExecutor(2) as pool:
            tried, failed = (sum(part) for part in zip(*pool.map(jobs, (0, 1)), strict=True))
    return Outcome(tried, failed)
