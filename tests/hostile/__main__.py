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
from tests.hostile import Outcome, run_kind

NO_KINDS = {"__main__", "mutations"}
KINDS = sorted(found.name for found in pkgutil.iter_modules(tests.hostile.__path__) if found.name not in NO_KINDS)


def alone(kind: str, seed: int, seconds: float) -> Outcome:
    """The kind in a new process; a process that dies, or an error that leaves the kind, is a failed case."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(run_kind, kind, seed, seconds).result()
        except Exception as error:  # noqa: BLE001  (whatever a kind raises is what was looked for)
            traceback.print_exception(error)
            return Outcome(1, 1, f"the kind itself ended with {type(error).__name__}")


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="for all kinds together (default: 30)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind only; may be given again")
    parser.add_argument("--json", type=Path, help="write the figures into this file, beside those of other kinds in it")
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
            figures = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            figures[kind] = outcome._asdict() | {
                "what": str(importlib.import_module(f"tests.hostile.{kind}").__doc__).splitlines()[0],
                "seed": arguments.seed,
                "seconds": round(seconds),
                "date": datetime.date.today().isoformat(),
                "commit": commit(),
                "python": platform.python_version(),
                "torch": torch.__version__,
            }
            arguments.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
