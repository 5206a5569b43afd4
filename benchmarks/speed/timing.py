"""Side by side: contestants take turns, so that a noisy moment hits all of them alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

#: Runs once and returns its figure, mostly seconds.
Contestant = Callable[[], float]


class Clock:
    """What is measured: seconds as they pass, or on a busy machine the CPU's on one core, children's included."""

    busy = False

    @classmethod
    def use_one_core(cls) -> None:
        """Measure the CPU's seconds from now on, on one core, as all contestants then do."""
        cls.busy = True
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)

    @classmethod
    def name(cls) -> str:
        """What is measured."""
        return "seconds of one core" if cls.busy else "seconds"

    @classmethod
    def now(cls) -> float:
        """Seconds since some moment."""
        return sum(os.times()[:4]) if cls.busy else time.perf_counter()


def alternate(contestants: Mapping[str, Contestant], runs: int, *, warm_up: bool = True) -> dict[str, list[float]]:
    """The figures of each contestant, taken in turns."""
    if warm_up:
        for run in contestants.values():
            run()
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            figures[name].append(run())
    return figures


def seconds_of(action: Callable[[], object]) -> Contestant:
    """A contestant that times an action."""

    def run() -> float:
        start = Clock.now()
        action()
        return Clock.now() - start

    return run


def seconds_of_each(action: Callable[[], object], times: int, *, scale: float = 1.0) -> Contestant:
    """A contestant that repeats a short action: the median of the seconds of each, times ``scale``."""

    def run() -> float:
        seconds = []
        for _ in range(times):
            # The processor's own seconds come in steps too coarse for a short action.
            start = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - start)
        return scale * median(seconds)

    return run


def part(
    title: str, unit: str, figures: Mapping[str, list[float]], reference: str, goal: str, **more: object
) -> dict[str, Any]:
    """The result of one part, as it is kept."""
    rounded = {name: [float(f"{value:.4g}") for value in values] for name, values in figures.items()}
    title += f", in {Clock.name()}" if Clock.busy else ""
    return {"title": title, "unit": unit, "figures": rounded, "reference": reference, "goal": goal} | more


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)
