"""Measures speed side by side, keeps the figures, and writes docs/performance.md.

    python benchmarks/run.py --cache FOLDER

makes the peers' environments and MNIST in their formats in FOLDER (once), then has each part's contestants take turns, keeps
every figure in benchmarks/results/performance.json, and writes the page from it. `--only NAME ...` measures some parts again;
`--table` only rewrites the page. Nothing else should run on the machine; where that cannot be, `--busy` measures the
processor's seconds on one core, which others take little part in.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kept as keeping
from speed import augmentation, data_pass, growth, inference, limits, loop, pages, pictures, process
from speed.environments import prepare_data
from speed.page import BEGIN, END, PAGE, text
from speed.timing import Clock

PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "data": data_pass.measure,
    "augmentation": augmentation.measure,
    "loop": loop.measure,
    "process": process.measure,
    "inference": inference.measure,
    "pictures": pictures.measure,
    "pages": pages.measure,
    "throughput": inference.measure_throughput,
    "growth": growth.measure_training,
    "reading": growth.measure_reading,
    "limits": limits.measure,
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "mnistkit-benchmarks")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--busy", action="store_true", help="something else runs: measure CPU seconds on one core")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    kept = keeping.read("performance.json")
    if options.busy:
        Clock.use_one_core()
    if not options.table:
        prepare_data(options.cache)
        for name in options.only:
            print(f"{name} ...", flush=True)
            machine = f"{keeping.processor()}, {keeping.machine()}"
            kept["results"][name] = PARTS[name](options.cache, options.runs) | {"machine": machine}
            keeping.write("performance.json", kept)
    keeping.replace_between(PAGE, BEGIN, END, text(kept, list(PARTS)))


if __name__ == "__main__":
    main()
