"""From logits to probabilities that mean what they say, to how sure an answer must be to be given, and how that is judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from mnistkit._core.statistics import Proportion
from mnistkit.errors import ConfigError, DataError
from mnistkit.types import JsonValue

__all__ = [
    "Calibration",
    "Reliability",
    "ReliabilityBin",
    "expected_calibration_error",
    "fit_calibration",
    "reliability",
]

# Shares of good pictures that may be refused, for which the least evidence is kept; between them it is interpolated.
_REFUSED = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Calibration:
    """How a model's logits are to be read; it travels with the weights.

    The *score* of an answer is its log-odds, in nats, against all others. A model that was taught what is none of its
    classes has one more answer, the *background* class, of the fixed logit 0; the *evidence* for an answer is its log-odds
    against that one alone.

    Attributes:
        temperature: logits are divided by it (Guo et al. 2017, equation 9).
        background: whether there is a background class, "none of these", of logit 0.
        acceptance: pairs of a coverage and the least evidence at which that share of good pictures is answered.
    """

    temperature: float = 1.0
    background: bool = False
    acceptance: tuple[tuple[float, float], ...] = ()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Of the classes, given that it is one of them: float64 ``(N, classes)`` from logits of that shape."""
        scaled = self._scaled(logits)
        shares: np.ndarray = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
        return shares

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """The log-odds of the likeliest class, float64 ``(N,)``."""
        scaled = self._scaled(logits)
        best = scaled.argmax(1)[:, None]
        others = scaled.copy()
        np.put_along_axis(others, best, -np.inf, axis=1)
        if self.background:
            others = np.pad(others, ((0, 0), (0, 1)))
        odds: np.ndarray = np.take_along_axis(scaled, best, axis=1)[:, 0] - np.logaddexp.reduce(others, axis=1)
        return odds

    def evidence(self, logits: np.ndarray) -> np.ndarray:
        """What an answer is given for, float64 ``(N,)``: the log-odds of the likeliest class against the background.

        The largest logit (Hendrycks et al. 2022, section 3): a digit that may be one of two has much of it, a letter has
        little. Of a model without a background class, it is the score.
        """
        if not self.background:
            return self.scores(logits)
        largest: np.ndarray = self._scaled(logits).max(1)
        return largest

    def membership(self, logits: np.ndarray) -> np.ndarray:
        """The probability that it is any of the classes, float64 ``(N,)``; all 1 without a background class."""
        if not self.background:
            return np.ones(len(logits))
        share: np.ndarray = np.exp(-np.logaddexp(0, -np.logaddexp.reduce(self._scaled(logits), axis=1)))
        return share

    def _scaled(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(logits, np.float64) / self.temperature

    def least_evidence(self, coverage: float) -> float:
        """The evidence from which on answers are given so that this share of good pictures gets one.

        Raises:
            ConfigError: for a coverage that is no share, or where none were measured.
        """
        if not 0 < coverage < 1:
            raise ConfigError(
                f"coverage is {coverage}, expected the share of good pictures to answer, between 0 and 1, such as 0.98"
            )
        if not self.acceptance:
            raise ConfigError(
                "this model does not know how sure it must be to answer: measure it first, with "
                "classifier.calibrate(validation), or use the weights that ship, Predictor()"
            )
        coverages, evidence = zip(*self.acceptance, strict=True)
        return float(np.interp(coverage, coverages, evidence))

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return asdict(self) | {"acceptance": [list(pair) for pair in self.acceptance]}

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Calibration:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: if it is something else.
        """
        match dict(data):
            case {
                "temperature": float(temperature),
                "background": bool(background),
                "acceptance": list(pairs),
            } if 0 < temperature < math.inf:
                acceptance = tuple(pair for pair in map(_pair, pairs) if pair is not None)
                if len(acceptance) == len(pairs) and list(acceptance) == sorted(acceptance):
                    return cls(temperature, background, acceptance)
        raise ValueError(f"no calibration: {data!r}")


def _pair(value: JsonValue) -> tuple[float, float] | None:
    """A coverage and its least evidence, if that is what it is."""
    match value:
        case [float(coverage), float(evidence)] if 0 < coverage < 1 and math.isfinite(evidence):
            return coverage, evidence
    return None


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """How far confidence is from accuracy, on average (Naeini et al. 2015): 15 bins of equal width, by default.

    Args:
        probabilities: ``(N, classes)``.
        labels: int64 ``(N,)``.
        bins: how many.

    >>> probabilities = np.array([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(probabilities, np.array([0, 1])), 6)
    0.4
    """
    return reliability(probabilities.max(1), probabilities.argmax(1) == labels, bins).error


def fit_calibration(
    logits: np.ndarray, labels: np.ndarray, *, good: np.ndarray | None = None, background: bool = False
) -> Calibration:
    """Find the temperature of the least negative log-likelihood, and what to expect of good pictures.

    The temperature stays 1 where a better likelihood would cost calibration. Fit on validation data, never on training
    data: of that a model is too sure.

    Args:
        logits: ``(N, classes)``, of pictures like those to come, bad ones among them.
        labels: int64 ``(N,)``.
        good: logits ``(N, classes)`` of good pictures with the same labels, if the others are not.
        background: whether the model was taught a background class, "none of these", of logit 0.

    Raises:
        DataError: for no logits, or shapes that do not belong together.
    """
    if logits.ndim != 2 or not len(logits) or labels.shape != logits.shape[:1]:
        raise DataError(f"got logits {logits.shape} and labels {labels.shape}, expected (N, classes) and (N,)")
    good = logits if good is None else good
    if good.shape != logits.shape:
        raise DataError(f"got logits {good.shape} of good pictures, expected {logits.shape}, as of the others")
    wide = np.asarray(logits, np.float64)
    of_label = np.take_along_axis(wide, labels[:, None], axis=1)[:, 0]

    def loss(temperature: float) -> float:
        return float((np.logaddexp.reduce(wide / temperature, axis=1) - of_label / temperature).mean())

    temperature = _minimum(loss, 0.05, 20.0)
    before, after = (
        expected_calibration_error(Calibration(value).probabilities(wide), labels) for value in (1.0, temperature)
    )
    fitted = Calibration(temperature if after <= before else 1.0, background)
    right = good.argmax(1) == labels
    evidence = fitted.evidence(good[right]) if right.any() else fitted.evidence(good)
    # For the only class there is nothing to weigh it against, so that nothing can be refused.
    shares = reversed(_REFUSED) if np.isfinite(evidence).all() else ()
    acceptance = tuple((1 - share, float(np.quantile(evidence, share))) for share in shares)
    return Calibration(fitted.temperature, background, acceptance)


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose confidence is in ``(low, high]``.

    Attributes:
        low: below all of them.
        high: the largest possible.
        confidence: their mean confidence; NaN if there are none.
        score: how many there are, and how many of them are right.
    """

    low: float
    high: float
    confidence: float
    score: Proportion

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; figures that an empty bin does not have are ``None``."""
        confidence = self.confidence if self.score.count else None
        return {"low": self.low, "high": self.high, "confidence": confidence, **self.score.to_json()}


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
        count = sum(part.score.count for part in self.filled)
        return sum(part.score.count * abs(part.score.accuracy - part.confidence) for part in self.filled) / count

    @property
    def filled(self) -> tuple[ReliabilityBin, ...]:
        """The bins that have images."""
        return tuple(part for part in self.bins if part.score.count)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; figures that an empty bin does not have are ``None``."""
        return {"error": self.error, "bins": [part.to_json() for part in self.bins]}


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
    counts = np.bincount(places, minlength=bins).tolist()
    sums = np.bincount(places, weights=values, minlength=bins).tolist()
    hits = np.bincount(places[correct], minlength=bins).tolist()
    return Reliability(
        tuple(
            ReliabilityBin(low, high, total / count if count else math.nan, Proportion(right, count))
            for low, high, count, total, right in zip(
                edges[:-1].tolist(), edges[1:].tolist(), counts, sums, hits, strict=True
            )
        )
    )


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Of a function with one valley, by golden-section search over the logarithm."""
    a, b = math.log(low), math.log(high)
    ratio = (math.sqrt(5) - 1) / 2
    while b - a > 1e-4:
        left, right = b - ratio * (b - a), a + ratio * (b - a)
        if function(math.exp(left)) < function(math.exp(right)):
            b = right
        else:
            a = left
    return math.exp((a + b) / 2)
