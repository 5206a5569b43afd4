"""Training killed at random moments and while it writes, again and again, and resumed: it ends in the very same bits."""

import contextlib
import random
import runpy
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from tests.forked import Server
from tests.hostile import Outcome, report
from tests.processes.test_kill_resume import SCRIPT, assert_same_run

# Seconds after its start in which a process is killed at the latest, and after which a run may come to its end.
LATEST = 0.8
ENOUGH = 120


def killed_until_it_ends(server: Server, folder: Path, chance: random.Random, end: float) -> int:
    """How often the run was killed before it came to its end; left alone when the time is over."""
    kills = 0
    end = min(end, time.monotonic() + ENOUGH)
    while True:
        spared = kills > 0 and time.monotonic() > end
        # The first time while it writes, which it surely does: a run may end before a moment comes.
        in_a_write = kills == 0 or (chance.random() < 0.3 and not spared)
        fatal_write = [chance.randint(2, 7)] if in_a_write else []
        with server.start(SCRIPT, folder, chance.choice([1, 2]), *fatal_write) as process:
            timer = threading.Timer(chance.uniform(0, LATEST), process.kill)
            for line in process.stdout:
                if line.startswith("begun") and not fatal_write and not spared:
                    timer.start()
            timer.cancel()
            if timer.is_alive():  # it is killing just now
                timer.join()
            _, errors = process.communicate()
        if process.returncode == 0:
            return kills
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"a resumed run ended with {process.returncode}: {errors}")
        kills += 1


def run(seed: int, seconds: float) -> Outcome:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root, contextlib.closing(Server()) as server:
        reference = Path(root) / "reference"
        reference.mkdir()
        runpy.run_path(str(SCRIPT))["run"](reference, 1)
        end = time.monotonic() + seconds

        def killed_runs(worker: int) -> tuple[int, int, int]:
            runs = kills = failed = 0
            # The first is tried however short the time is.
            while time.monotonic() < end or runs == worker == 0:
                number = 2 * runs + worker
                folder = Path(root) / str(number)
                try:
                    kills += killed_until_it_ends(server, folder, random.Random(f"{seed}/{number}"), end)
                    assert_same_run(folder, reference)
                except BaseException as error:  # noqa: BLE001  (a run that differs, or does not go on)
                    failed += 1
                    report(seed, number, f"{type(error).__name__}: {error}")
                runs += 1
            return runs, kills, failed

        with ThreadPoolExecutor(2) as pool:
            runs, kills, failed = (sum(part) for part in zip(*pool.map(killed_runs, (0, 1)), strict=True))
    return Outcome(kills, failed, f"{runs} runs")
