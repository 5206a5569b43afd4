"""A share with its interval, and the few distributions that the standard library does not have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistkit.errors import DataError
from mnistkit.types import JsonValue

__all__ = ["Z_95", "Proportion", "bootstrap_interval", "exact_binomial_p", "normal_p", "t_quantile"]

#: The normal quantile of two-sided 95 % intervals.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Proportion:
    """How many of some answers are right: an accuracy that was counted, with its interval.

    Attributes:
        correct: how many are right.
        count: of how many.

    Raises:
        DataError: unless ``0 <= correct <= count``.

    >>> from mnistkit.metrics import Proportion
    >>> print(Proportion(9900, 10_000))
    99.00% (95 % interval 98.79% to 99.18%, 9,900 of 10,000)
    """

    correct: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.count:
            raise DataError(f"got {self.correct} right of {self.count}, expected 0 to {self.count}")

    @property
    def accuracy(self) -> float:
        """The share that is right, 0 to 1; NaN of none."""
        return self.correct / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson 1927), also right near 0 and 1; of none, ``(0, 1)``."""
        if not self.count:
            return 0.0, 1.0
        n, p = self.count, self.accuracy
        centre = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
        half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
        # p itself is always inside; rounding alone would leave 0 of 7 or 13 of 13 outside.
        return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; the accuracy of none is ``None``."""
        return {
            "correct": self.correct,
            "count": self.count,
            "accuracy": self.accuracy if self.count else None,
            "interval": list(self.interval),
        }

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}, {self.correct:,} of {self.count:,})"


def bootstrap_interval(
    parts: Sequence[float], wholes: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % confidence interval of ``sum(parts) / sum(wholes)``, whose pairs are drawn anew together.

    The percentile bootstrap (Efron and Tibshirani 1993, chapter 13): a page with many errors is in a sample or it is not, so
    that errors of one page count as what they are, no independent trials. Where all parts are 0 it has no width.

    Args:
        parts: one for each case, such as the errors on a page.
        wholes: one for each case, such as the digits of its label; at least one is over 0.
        resamples: how often the cases are drawn anew.
        seed: of the draws.

    >>> low, high = bootstrap_interval([0, 0, 0, 1, 4], [5, 5, 5, 5, 5])
    >>> print(f"{low:.2f} {high:.2f}")
    0.00 0.52
    """
    generator = np.random.default_rng(seed)
    above, below = np.asarray(parts, float), np.asarray(wholes, float)
    ratios: list[float] = []
    for _ in range(resamples):
        drawn = generator.integers(0, len(above), len(above))
        if (whole := below[drawn].sum()) > 0:
            ratios.append(float(above[drawn].sum() / whole))
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    return low, high


def exact_binomial_p(count: int, total: int) -> float:
    """The two-sided p-value of ``count`` heads in ``total`` throws of a fair coin."""
    fewer = min(count, total - count)
    tail = sum(math.comb(total, k) for k in range(fewer + 1))
    # Whole numbers until the end: exact, however many throws.
    return min(1.0, 2 * tail / (1 << total))


def normal_p(z: float) -> float:
    """The two-sided p-value of a standard normal deviate; that of ``z**2`` for chi-square with one degree of freedom."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_quantile(probability: float, freedom: int) -> float:
    """What Student's t with so many degrees of freedom stays below with this probability, 0.5 to 1."""
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _t_below(t: float, freedom: int) -> float:
    """The distribution function for ``t >= 0`` (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    cos, odd = math.cos(angle), freedom % 2
    term, total = (cos if odd else 1.0), 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cos * cos * (k - 1) / k
    total *= math.sin(angle)
    inside = (angle + total) * 2 / math.pi if odd else total
    return 0.5 + inside / 2
