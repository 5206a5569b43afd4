"""How long importing mnistkit, asking for help and loading MNIST take, beside `import torch`; medians of alternating runs.

    python benchmarks/startup.py
    python benchmarks/startup.py --runtime PYTHON

The second line asks a program of an environment with mnistkit-runtime how long it takes to its first answer.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": "pass",
    "import mnistkit": "import mnistkit",
    "mnistkit --help": "from mnistkit.cli import main; main(['--help'])",
    "import torch": "import torch",
}
LOAD = """
import time, torch
from mnistkit import load_mnist
start = time.perf_counter()
load_mnist()
print(time.perf_counter() - start)
"""
ANSWER = """
from mnistkit import Predictor
from mnistkit.imaging import sample_picture
assert Predictor().predict(sample_picture("seven")).label == 7
"""


def first_answer(python: str, runs: int) -> None:
    """Print the seconds of a whole process, on the clock and of the processor, without the first run, which warms the disk."""
    clock, processor = [], []
    for _ in range(runs + 1):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([python, "-I", "-c", ANSWER], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock.append(time.perf_counter() - start)
        processor.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    for name, seconds in (("on the clock", clock[1:]), ("of the processor", processor[1:])):
        print(f"first answer, s {name:<17} median {statistics.median(seconds):.3f}, least {min(seconds):.3f}")


def run(code: str) -> tuple[float, str]:
    """Seconds of a whole process, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--runtime", metavar="PYTHON", help="the program of an environment with mnistkit-runtime")
    options = parser.parse_args()
    runs = options.runs
    if options.runtime:
        first_answer(options.runtime, runs)
        return
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    loads = []
    for _ in range(runs):
        for name, code in COMMANDS.items():
            seconds[name].append(run(code)[0])
        loads.append(float(run(LOAD)[1]))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:<18}{value:8.3f} s   {value / medians['import torch']:6.1%} of import torch")
    print(f"{'load_mnist()':<18}{statistics.median(loads):8.3f} s   after import torch")


if __name__ == "__main__":
    main()
