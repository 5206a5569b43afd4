"""Runs the kinds one after another, each in a process of its own, and prints a line for each."""

import argparse
import datetime
import importlib
import json
import multiprocessing
import pkgutil
import platform
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import tests.hostile
from tests.forked import IMPORTED
from tests.hostile import Outcome, run_kind

NO_KINDS = {"__main__", "mutations"}
KINDS = sorted(found.name for found in pkgutil.iter_modules(tests.hostile.__path__) if found.name not in NO_KINDS)

# Forked from a process that has done nothing but import: each kind begins afresh, and torch is imported once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(IMPORTED)


def alone(kind: str, seed: int, seconds: float) -> Outcome:
    """The kind in a new process; a process that dies, or an error that leaves the kind, is a failed case."""
    with ProcessPoolExecutor(1, PROCESSES) as pool:
        try:
            return pool.submit(run_kind, kind, seed, seconds).result()
        except Exception as error:  # noqa: BLE001  (whatever a kind raises is what was looked for)
            traceback.print_exception(error)
            return Outcome(1, 1, f"the kind itself ended with {type(error).__name__}")


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def keep(path: Path, kind: str, outcome: Outcome, seed: int, seconds: float) -> None:
    """Add a run to those of its kind in the file; one with the same seed, whose cases were the same, makes place for it."""
    figures = json.loads(path.read_text()) if path.exists() else {}
    run = outcome._asdict() | {
        "seed": seed,
        "seconds": round(seconds),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    earlier = [one for one in figures.get(kind, {"runs": []})["runs"] if one["seed"] != seed]
    what = str(importlib.import_module(f"tests.hostile.{kind}").__doc__).splitlines()[0]
    figures[kind] = {"what": what, "runs": [*earlier, run]}
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="for all kinds together (default: 30)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind only; may be given again")
    parser.add_argument(
        "--json", type=Path, help="add the figures to those of other kinds and other seeds in this file"
    )
    arguments = parser.parse_args()
    chosen = arguments.only or KINDS
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes for {', '.join(chosen)}", flush=True)

    failed = 0
    for kind in chosen:
        start = time.monotonic()
        outcome = alone(kind, arguments.seed, 60 * arguments.minutes / len(chosen))
        seconds = time.monotonic() - start
        failed += outcome.failed
        line = f"{kind:<14} {outcome.tried:>7,} tried {outcome.failed:>5,} failed {seconds:>6.0f} s  {outcome.worst}"
        print(line.rstrip(), flush=True)
        if arguments.json:
            keep(arguments.json, kind, outcome, arguments.seed, seconds)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
