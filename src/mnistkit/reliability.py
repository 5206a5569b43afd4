"""Does a confidence mean what it says? Predictions sorted into bins by their confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistkit.errors import ConfigError, DataError
from mnistkit.metrics import wilson_interval

__all__ = ["Reliability", "ReliabilityBin", "reliability"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose confidence is in ``(low, high]``.

    Attributes:
        low: below all of them.
        high: the largest possible.
        count: how many there are.
        confidence: their mean confidence; NaN if there are none.
        accuracy: the share of them that is right; NaN if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % confidence interval (Wilson 1927); all of ``(0, 1)`` if there are no images."""
        return wilson_interval(round(self.accuracy * self.count) if self.count else 0, self.count)


@dataclass(frozen=True)
class Reliability:
    """Whether a confidence means what it says: of the images with 90 %, are nine in ten right?

    Attributes:
        bins: from confidence 0 to 1, all of one width; together the reliability curve.
    """

    bins: tuple[ReliabilityBin, ...]

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017, equation 3).

        The distance between a bin's accuracy and its mean confidence, averaged over the bins by their share of the images.
        """
        filled = [part for part in self.bins if part.count]
        count = sum(part.count for part in filled)
        return sum(part.count * abs(part.accuracy - part.confidence) for part in filled) / count


def reliability(confidences: np.ndarray, correct: np.ndarray, bins: int = 15) -> Reliability:
    """Sort predictions by their confidence into bins of equal width.

    Args:
        confidences: ``(N,)``, the probability of each prediction.
        correct: bool ``(N,)``, whether it is right.
        bins: how many; 15 is usual (Guo et al. 2017).

    Raises:
        DataError: for arrays of another shape, or confidences that are no probabilities.
        ConfigError: for less than one bin.
    """
    if confidences.ndim != 1 or correct.shape != confidences.shape or correct.dtype != bool:
        raise DataError(
            f"got confidences of shape {confidences.shape} and {correct.dtype} answers of shape {correct.shape}, expected "
            "(N,) and bool (N,)"
        )
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise DataError(f"got confidences from {confidences.min()} to {confidences.max()}, expected probabilities")
    if bins < 1:
        raise ConfigError(f"bins is {bins}, expected at least 1")
    edges = np.linspace(0, 1, bins + 1)
    values = confidences.astype(np.float64)
    # The bins are open below and closed above: a confidence of 1 belongs to the last.
    places = np.searchsorted(edges[1:-1], values, side="left")
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=values, minlength=bins).tolist()
    hits = np.bincount(places, weights=correct, minlength=bins).tolist()
    return Reliability(
        tuple(
            ReliabilityBin(
                low, high, count, total / count if count else float("nan"), right / count if count else float("nan")
            )
            for low, high, count, total, right in zip(
                edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), sums, hits, strict=True
            )
        )
    )
