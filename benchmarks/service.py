"""Loads the service of examples/service on this machine, and counts wrong answers.

    python benchmarks/service.py --requests 100000

Sixteen clients at once, each with a connection of its own, send pictures of MNIST's test images on larger sheets, and compare
every answer with the library's. In turns with them the same pictures go to ``Predictor.predict(bytes)`` in as many processes as
the service has workers, without any service; clients and service share the machine, those processes have it for themselves. Each
turn is added to benchmarks/results/service.json at once, so the same line goes on with a run that ended early.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import io
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image

# One thread for each operation, here and in every process that is started.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import kept as keeping
from mnistkit import Predictor, load_mnist

SERVICE = keeping.ROOT / "examples" / "service"
RESULT = "service.json"
PICTURES = 500


def pictures() -> list[bytes]:
    """PNG files of dark digits on light sheets."""
    files = []
    for image in load_mnist().test.images[:PICTURES, 0].numpy():
        file = io.BytesIO()
        PIL.Image.fromarray(255 - np.pad(np.kron(image, np.ones((4, 4), np.uint8)), 40)).save(file, "PNG")
        files.append(file.getvalue())
    return files


def client(port: int, files: list[bytes], names: list[str], until: float, first: int) -> tuple[list[float], int]:
    """The seconds that each answer took, and how many were wrong."""
    connection, seconds, wrong, number = http.client.HTTPConnection("127.0.0.1", port, timeout=300), [], 0, first
    while time.monotonic() < until:
        place = number % len(files)
        start = time.perf_counter()
        connection.request("POST", "/predict", files[place], {"Content-Type": "image/png"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        seconds.append(time.perf_counter() - start)
        wrong += answer.status != 200 or content["answers"][0]["name"] != names[place]
        number += 1
    connection.close()
    return seconds, wrong


@functools.cache
def reader() -> Predictor:
    """The predictor of this process."""
    return Predictor(device="cpu")


def in_process(files: list[bytes], seconds: float) -> float:
    """How many pictures a second one process reads without a service."""
    predictor, done, start = reader(), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        predictor.predict(files[done % len(files)], coverage=0.98)
        done += 1
    return done / (time.perf_counter() - start)


@contextlib.contextmanager
def served(workers: int) -> Iterator[int]:
    """The port at which the service answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    # On a busy machine a worker needs longer to start than the 5 s after which uvicorn puts another in its place.
    patience = ["--timeout-worker-healthcheck", "600"]
    options = ["--port", str(port), "--workers", str(workers), "--log-level", "warning", *patience]
    server = subprocess.Popen([sys.executable, "-m", "uvicorn", "--app-dir", str(SERVICE), "app:app", *options])
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.2)
        else:
            raise SystemExit("the service did not start: see above")
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def summary(turns: list[dict[str, Any]], milliseconds: dict[str, int]) -> dict[str, float]:
    """All turns together."""
    waits = np.repeat([int(wait) for wait in milliseconds], list(milliseconds.values()))
    return {
        "requests": len(waits),
        "wrong": sum(turn["wrong"] for turn in turns),
        "requests a second": round(len(waits) / sum(turn["seconds"] for turn in turns), 1),
        "in-process a second": round(float(np.mean([turn["in-process a second"] for turn in turns])), 1),
        "ratio, median of the turns": round(
            float(np.median([turn["requests"] / turn["seconds"] / turn["in-process a second"] for turn in turns])), 3
        ),
        "p50 ms": float(np.percentile(waits, 50)),
        "p99 ms": float(np.percentile(waits, 99)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--requests", type=int, default=100_000, help="until so many are answered, in all runs together"
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="of a turn; in-process takes a quarter of it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--anew", action="store_true", help="forget what earlier runs have measured")
    options = parser.parse_args()
    setting = {"workers": options.workers, "clients": options.clients}
    kept = {"results": {}} if options.anew else keeping.read(RESULT)
    if kept.setdefault("setting", setting) != setting:
        raise SystemExit(f"{RESULT} was measured with {kept['setting']}: go on with these, or begin with --anew")
    kept["machine"] = f"{keeping.machine()}, {os.cpu_count()} cores"
    turns: list[dict[str, Any]] = kept["results"].setdefault("turns", [])
    milliseconds: Counter[str] = Counter(kept["results"].get("milliseconds", {}))
    kept["results"]["milliseconds"] = milliseconds
    files = pictures()
    names = [prediction.name for prediction in reader().predict(files, coverage=0.98)]
    spawn = multiprocessing.get_context("spawn")
    with (
        served(options.workers) as port,
        ThreadPoolExecutor(options.clients) as clients,
        ProcessPoolExecutor(options.workers, spawn, initializer=reader) as processes,
    ):

        def alone(seconds: float) -> float:
            return sum(processes.map(in_process, [files] * options.workers, [seconds] * options.workers))

        alone(5.0)  # until all of them have started
        while milliseconds.total() < options.requests:
            start = time.monotonic()
            until = start + options.seconds
            jobs = [clients.submit(client, port, files, names, until, 31 * n) for n in range(options.clients)]
            results = [job.result() for job in jobs]
            waits = [wait for part, _ in results for wait in part]
            turns.append(
                {
                    "requests": len(waits),
                    "wrong": sum(wrong for _, wrong in results),
                    "seconds": round(time.monotonic() - start, 2),
                    "in-process a second": round(alone(options.seconds / 4), 2),
                }
            )
            milliseconds.update(str(round(1000 * wait)) for wait in waits)
            kept["summary"] = summary(turns, milliseconds)
            keeping.write(RESULT, kept)
            print(json.dumps(turns[-1]), flush=True)
    print(json.dumps(summary(turns, milliseconds), indent=2))


if __name__ == "__main__":
    main()
