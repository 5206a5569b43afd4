"""Hostile input of every kind, for as long as you like: `python -m tests.hostile --minutes 30`, from the repository's root.

Each module of this folder is one kind, named after its file, and has one function:

    def run(seed: int, seconds: float) -> Outcome: ...

It tries cases until the seconds are over (at least one case, and not much longer than the seconds) and says how many it tried
and how many failed. The same seed gives the same cases in the same order. A case that fails is told with `report` at once, with
all that is needed to see it again. A kind runs in a process of its own, so it may use memory, threads and signals as it likes.
"""

import importlib
import random
import time
from collections.abc import Iterator
from typing import NamedTuple


class Outcome(NamedTuple):
    """What a kind gives back: cases tried, cases failed, and a figure worth reading, such as the slowest case."""

    tried: int
    failed: int
    worst: str = ""


def cases(seed: int, seconds: float) -> Iterator[tuple[int, random.Random]]:
    """Numbers from 0 and a random generator for each, until the time is over; a case depends on its number and seed only."""
    end = time.monotonic() + seconds
    number = 0
    while number == 0 or time.monotonic() < end:
        yield number, random.Random(f"{seed}/{number}")
        number += 1


def report(seed: int, number: int, what: object) -> None:
    """Print a failed case: its seed, its number and what happened."""
    print(f"    failed: seed {seed}, case {number}: {what}", flush=True)


def run_kind(kind: str, seed: int, seconds: float) -> Outcome:
    """Run the module of that name; a plain `(tried, failed)` is an outcome too."""
    return Outcome(*importlib.import_module(f"tests.hostile.{kind}").run(seed, seconds))
