"""Predictions, one after another: memory, open files and threads stay as they are."""

import gc
import os
import sys
import threading
from pathlib import Path

import torch

from mnistkit import Predictor, load_mnist
from tests.hostile import Outcome, cases, report

WARM_UP = 500
# The allocator keeps some pages or gives them back as it likes.
NOISE_MB = 2.0
MOST_MB_PER_100_000 = 1.0


def resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def run(seed: int, seconds: float) -> Outcome:
    if sys.platform != "linux":
        return Outcome(0, 0, "needs Linux's /proc")
    torch.set_num_threads(1)
    predictor = Predictor()
    images = list(load_mnist().validation.images[:500, 0].numpy())
    for number in range(WARM_UP):
        predictor.predict(images[number % len(images)])
    memory, files, threads = resident_mb(), open_files(), threading.active_count()

    tried = 0
    for _, chance in cases(seed, seconds):
        predictor.predict(chance.choice(images))
        tried += 1

    grown = resident_mb() - memory
    more_files, more_threads = open_files() - files, threading.active_count() - threads
    figure = f"{grown:+.2f} MB, {more_files:+d} files, {more_threads:+d} threads"
    failed = grown > NOISE_MB + MOST_MB_PER_100_000 * tried / 100_000 or more_files > 0 or more_threads > 0
    if failed:
        report(seed, tried, figure)
    return Outcome(tried, int(failed), figure)
