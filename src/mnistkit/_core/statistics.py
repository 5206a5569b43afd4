"""The few distributions that comparing and repeating need, which the standard library does not have."""

from __future__ import annotations

import math

__all__ = ["exact_binomial_p", "normal_p", "t_quantile"]


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
