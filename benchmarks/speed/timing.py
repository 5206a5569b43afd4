"""Side by side: contestants take turns, so that a noisy moment hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

#: Runs once and returns its figure, mostly seconds.
Contestant = Callable[[], float]


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
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return run


def part(
    title: str, unit: str, figures: Mapping[str, list[float]], reference: str, goal: str, **more: object
) -> dict[str, Any]:
    """The result of one part, as it is kept."""
    rounded = {name: [float(f"{value:.4g}") for value in values] for name, values in figures.items()}
    return {"title": title, "unit": unit, "figures": rounded, "reference": reference, "goal": goal} | more


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)
