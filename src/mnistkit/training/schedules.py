"""Learning rates as pure functions of the step: nothing to save, nothing to step in the wrong order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mnistkit.errors import ConfigError
from mnistkit.training.torch_scheduler import is_scheduler

__all__ = ["Constant", "Cosine", "OneCycle", "Schedule", "Warmup", "as_schedule", "as_schedules"]

#: From (step, total number of steps), with ``0 <= step < total``, to the learning rate of that step.
Schedule: TypeAlias = Callable[[int, int], float]


@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout."""

    lr: float

    def __post_init__(self) -> None:
        _require_positive(lr=self.lr)

    def __call__(self, step: int, total: int) -> float:  # noqa: ARG002  (a schedule's signature)
        """The learning rate of a step."""
        return self.lr


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from ``lr`` down to ``final`` (Loshchilov & Hutter 2017, equation 5, without restarts)."""

    lr: float
    final: float = 0.0

    def __post_init__(self) -> None:
        _require_positive(lr=self.lr)

    def __call__(self, step: int, total: int) -> float:
        """The learning rate of a step."""
        return _cosine(self.lr, self.final, step / max(1, total - 1))


@dataclass(frozen=True)
class OneCycle:
    """Up to ``peak`` over the first ``rise`` of training, then down to nearly nothing (Smith 2018), along cosines.

    Attributes:
        peak: the highest learning rate.
        rise: the fraction of training that leads up to it.
        start: the first learning rate, as a fraction of the peak.
        final: the last one, as a fraction of the peak.

    >>> schedule = OneCycle(0.01)
    >>> [round(schedule(step, 101), 5) for step in (0, 30, 65, 100)]
    [0.0004, 0.01, 0.005, 0.0]
    """

    peak: float
    rise: float = 0.3
    start: float = 0.04
    final: float = 1e-4

    def __post_init__(self) -> None:
        _require_positive(peak=self.peak)
        if not 0 <= self.rise <= 1:
            raise ConfigError(f"rise is {self.rise}, expected a fraction from 0 to 1")

    def __call__(self, step: int, total: int) -> float:
        """The learning rate of a step."""
        top = self.rise * max(1, total - 1)
        if step < top:
            return _cosine(self.start * self.peak, self.peak, step / top)
        return _cosine(self.peak, self.final * self.peak, (step - top) / max(1.0, total - 1 - top))


@dataclass(frozen=True)
class Warmup:
    """A straight line from nothing over the first ``steps``, then another schedule over the rest."""

    steps: int
    then: Schedule

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps is {self.steps}, expected at least 1")

    def __call__(self, step: int, total: int) -> float:
        """The learning rate of a step."""
        rest = max(1, total - self.steps)
        if step < self.steps:
            return self.then(0, rest) * (step + 1) / (self.steps + 1)
        return self.then(step - self.steps, rest)


def as_schedule(lr: float | Schedule) -> Schedule:
    """A schedule as it is, a number as one that stays.

    Raises:
        ConfigError: for anything else.
    """
    if isinstance(lr, int | float):
        return Constant(lr)
    given: object = lr
    if not callable(given):
        raise ConfigError(
            f"lr is {lr!r}, expected a number, a schedule such as OneCycle(0.01), or one of torch's schedulers; "
            "mnistkit.training.find_learning_rate tries rates out"
        )
    return lr


def as_schedules(lr: float | Schedule | Mapping[str, float | Schedule] | None) -> Schedule | dict[str, Schedule] | None:
    """Likewise for all that ``Trainer(lr=...)`` takes: nothing, one, or one for each optimizer."""
    if lr is None:
        return None
    if not isinstance(lr, Mapping):
        return as_schedule(lr)
    for name, each in lr.items():
        if is_scheduler(each):
            raise ConfigError(
                f"lr has one of torch's schedulers for {name!r}; those are for runs of one optimizer. Give a schedule such as "
                "OneCycle(0.01), or make and step the schedulers in hooks of a Trainer subclass"
            )
    return {name: as_schedule(each) for name, each in lr.items()}


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}, expected a positive number")
