"""Train with several seeds: what is the method worth, and how much of it is luck?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, SupportsFloat, runtime_checkable

from mnistkit._core.statistics import t_quantile
from mnistkit.device import resolve_device
from mnistkit.errors import ConfigError
from mnistkit.seeding import keeping_all_generators, seed_everything
from mnistkit.types import JsonValue

__all__ = ["Repetition", "repeat"]


@dataclass(frozen=True)
class Repetition:
    """One figure, measured with several seeds.

    Attributes:
        seeds: in their order.
        values: the figure, with each seed.
    """

    seeds: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float:
        """The standard deviation of the values, with n - 1; NaN for one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean (Student's t); NaN for one value."""
        n = len(self.values)
        if n == 1:
            return math.nan, math.nan
        half = t_quantile(0.975, n - 1) * self.std / math.sqrt(n)
        return self.mean - half, self.mean + half

    def __str__(self) -> str:
        values = ", ".join(f"{value:.5g}" for value in self.values)
        if len(self.values) == 1:
            return f"{values} with one seed, which says nothing about the next"
        low, high = self.interval
        return (
            f"mean {self.mean:.5g}, standard deviation {self.std:.2g} over {len(self.values)} seeds; 95 % interval of the mean "
            f"{low:.5g} to {high:.5g}\neach: {values}"
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Every figure as JSON can hold it; what one value does not have is ``None``."""
        one = len(self.values) == 1
        return {
            "seeds": list(self.seeds),
            "values": list(self.values),
            "mean": self.mean,
            "std": None if one else self.std,
            "interval": None if one else list(self.interval),
        }


class Measured(Protocol):
    """What has an accuracy: an ``Evaluation``, a :class:`Report`, a recipe's ``Result``."""

    @property
    def accuracy(self) -> float:
        """The fraction classified correctly."""
        ...


@runtime_checkable
class Runnable(Protocol):
    """What trains with a seed: a :class:`mnistkit.recipes.Recipe`."""

    def run(self, seed: int, /) -> Measured:
        """Train."""
        ...


def repeat(train_once: Callable[[int], float | Measured] | Runnable, seeds: Iterable[int] = range(5)) -> Repetition:
    """Train anew with each seed, and collect what each run is worth.

    Everything random is seeded before each run, so that a model made in it has the weights of its seed; afterwards the generators
    are as they were.

    Args:
        train_once: a recipe; or a function that takes a seed, trains, and returns a figure, or an evaluation, report or
            result for its accuracy. Give the seed to the ``Trainer`` too, which has its own.
        seeds: each once.

    Raises:
        ConfigError: for no seeds, or one that comes twice.

    >>> from mnistkit.evaluation import repeat
    >>> train, validation, _ = load_mnist()
    >>> def train_once(seed):
    ...     trainer = Trainer(create_model("softmax_regression"), seed=seed, progress=False)
    ...     trainer.fit(train[:500], epochs=1)
    ...     return trainer.evaluate(validation[:500])
    >>> result = repeat(train_once, seeds=[0, 1, 2])
    >>> len(result.values), result.interval[0] < result.mean < result.interval[1]
    (3, True)
    """
    chosen = tuple(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"got seeds {list(chosen)}, expected at least one, each once")
    run = train_once.run if isinstance(train_once, Runnable) else train_once
    values = []
    with keeping_all_generators(resolve_device()):
        for seed in chosen:
            seed_everything(seed)
            result = run(seed)
            values.append(float(result if isinstance(result, SupportsFloat) else result.accuracy))
    return Repetition(chosen, tuple(values))
