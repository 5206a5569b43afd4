"""Loads the service of examples/service on this machine, and counts wrong answers.

    python benchmarks/service.py --minutes 2 --workers 2 --output service.json

Sixteen clients at once, each with a connection of its own, send pictures of MNIST's test images on larger sheets, and compare
every answer with the library's. Beside it the same pictures go to ``Predictor.predict(bytes)`` in as many processes as the
service has workers, without any service; clients and service share the machine, those processes have it for themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import multiprocessing
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image

# One thread for each operation, here and in every process that is started.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from mnistkit import Predictor, load_mnist

SERVICE = Path(__file__).resolve().parents[1] / "examples" / "service"
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
    connection, seconds, wrong, number = http.client.HTTPConnection("127.0.0.1", port, timeout=120), [], 0, first
    while time.time() < until:
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


def in_process(files: list[bytes], until: float) -> int:
    """How many pictures one process reads without a service."""
    predictor, done = Predictor(device="cpu"), 0
    while time.time() < until:
        predictor.predict(files[done % len(files)], coverage=0.98)
        done += 1
    return done


def start(workers: int) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    options = ["--port", str(port), "--workers", str(workers), "--log-level", "warning"]
    server = subprocess.Popen([sys.executable, "-m", "uvicorn", "--app-dir", str(SERVICE), "app:app", *options])
    while True:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return server, port
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    files = pictures()
    names = [prediction.name for prediction in Predictor(device="cpu").predict(files, coverage=0.98)]
    seconds = 60 * options.minutes
    server, port = start(options.workers)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(options.clients, context) as pool:
            # The processes start before the time is taken.
            list(pool.map(abs, range(4 * options.clients)))
            until = time.time() + seconds
            jobs = [pool.submit(client, port, files, names, until, 31 * n) for n in range(options.clients)]
            results = [job.result() for job in jobs]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    times = np.concatenate([np.array(part) for part, _ in results])
    with ProcessPoolExecutor(options.workers, context) as pool:
        list(pool.map(abs, range(4 * options.workers)))
        until = time.time() + seconds / 2
        alone = sum(pool.map(in_process, [files] * options.workers, [until] * options.workers))
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "workers": options.workers,
        "clients": options.clients,
        "requests": len(times),
        "wrong": sum(wrong for _, wrong in results),
        "requests a second": round(len(times) / seconds, 1),
        "in-process a second": round(alone / (seconds / 2), 1),
        "p50 ms": round(1000 * float(np.percentile(times, 50)), 1),
        "p99 ms": round(1000 * float(np.percentile(times, 99)), 1),
    }
    print(json.dumps(result, indent=2))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
