"""How long importing mnistkit, asking for help and loading MNIST take, beside `import torch`; medians of alternating runs.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
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


def run(code: str) -> tuple[float, str]:
    """Seconds of a whole process, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
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
