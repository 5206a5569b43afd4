"""Two processes write the same file all the time, and a third reads it: it never sees half a file, nor parts of both."""

import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from mnistkit import create_model
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from tests.hostile import Outcome, report

MODELS = ("digit_cnn", "mlp")


def write(path: Path, who: int, seconds: float, ready: Barrier, failures: "multiprocessing.Queue[str]") -> None:
    torch.set_num_threads(1)
    weights = create_model(MODELS[who]).state_dict()
    content = CheckpointFile(weights=weights, data={"who": who, "pad": "x" * 1000 * who})
    ready.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            write_checkpoint(path, content)
        except BaseException as error:  # noqa: BLE001  (whatever comes is the failure)
            failures.put(f"writer {who}: {type(error).__name__}: {error}")


def run(seed: int, seconds: float) -> Outcome:
    context = multiprocessing.get_context("fork")
    expected = [set(create_model(name).state_dict()) for name in MODELS]
    reads = failed = 0
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "last.safetensors"
        write_checkpoint(path, CheckpointFile(weights=create_model(MODELS[0]).state_dict(), data={"who": 0}))
        failures: multiprocessing.Queue[str] = context.Queue()
        ready = context.Barrier(3)
        started = [context.Process(target=write, args=(path, who, seconds, ready, failures)) for who in (0, 1)]
        for process in started:
            process.start()
        ready.wait()
        end = time.monotonic() + seconds
        seen = set()
        while time.monotonic() < end or reads == 0:
            reads += 1
            try:
                found = read_checkpoint(path)
                who = found.data["who"]
                seen.add(who)
                if set(found.weights) != expected[who]:
                    raise ValueError(f"the header is of writer {who}, the weights are not")
            except BaseException as error:  # noqa: BLE001
                failed += 1
                report(seed, reads, f"reader: {type(error).__name__}: {error}")
        for process in started:
            process.join()
        while not failures.empty():
            failed += 1
            report(seed, 0, failures.get())
        left = sorted(found.name for found in Path(root).iterdir() if found != path)
        if left:
            failed += 1
            report(seed, 0, f"left behind: {left}")
    return Outcome(reads, failed, f"files of {len(seen)} writers seen")
