"""From logits to probabilities that mean what they say, and to how sure an answer must be to be given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import ConfigError, DataError
from mnistkit.reliability import reliability
from mnistkit.types import JsonValue

__all__ = ["Calibration", "expected_calibration_error", "fit_calibration"]

# Shares of good pictures that may be refused, for which the least evidence is kept; between them it is interpolated.
_REFUSED = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Calibration:
    """How a model's logits are to be read; it travels with the weights.

    The *score* of an answer is its log-odds, in nats, against all others. A model that was taught what is none of its
    classes (``knows_none``) has one more answer, "none of these", of the fixed logit 0; the *evidence* for an answer is its
    log-odds against that one alone.

    Attributes:
        temperature: logits are divided by it (Guo et al. 2017, equation 9).
        knows_none: whether "none of these" has logit 0.
        acceptance: pairs of a coverage and the least evidence at which that share of good pictures is answered.
    """

    temperature: float = 1.0
    knows_none: bool = False
    acceptance: tuple[tuple[float, float], ...] = ()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of the classes, given that it is one of them: float64 ``(N, classes)`` from logits of that shape."""
        return (logits.double() / self.temperature).softmax(1)

    def scores(self, logits: Tensor) -> Tensor:
        """The log-odds of the likeliest class, float64 ``(N,)``."""
        scaled = logits.double() / self.temperature
        best, label = scaled.max(1)
        others = scaled.scatter(1, label[:, None], -torch.inf)
        if self.knows_none:
            others = F.pad(others, (0, 1))
        return best - others.logsumexp(1)

    def evidence(self, logits: Tensor) -> Tensor:
        """What an answer is given for, float64 ``(N,)``: the log-odds of the likeliest class against "none of these".

        The largest logit (Hendrycks et al. 2022, section 3): a digit that may be one of two has much of it, a letter has
        little. Of a model that does not know "none of these", it is the score.
        """
        return (logits.double() / self.temperature).amax(1) if self.knows_none else self.scores(logits)

    def membership(self, logits: Tensor) -> Tensor:
        """The probability that it is any of the classes, float64 ``(N,)``; all 1 if the model does not know."""
        if not self.knows_none:
            return torch.ones(len(logits), dtype=torch.float64, device=logits.device)
        return (logits.double() / self.temperature).logsumexp(1).sigmoid()

    def least_evidence(self, coverage: float) -> float:
        """The evidence from which on answers are given so that this share of good pictures gets one.

        Raises:
            ConfigError: for a coverage that is no share, or where none were measured.
        """
        if not 0 < coverage < 1:
            raise ConfigError(
                f"reject is {coverage}, expected the share of good pictures to answer, between 0 and 1, such as 0.98"
            )
        if not self.acceptance:
            raise ConfigError(
                "this model does not know how sure it must be to answer: call predictor.calibrate(validation) first, or "
                "use the weights that ship, Predictor()"
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
                "knows_none": bool(knows_none),
                "acceptance": list(pairs),
            } if 0 < temperature < math.inf:
                acceptance = tuple(pair for pair in map(_pair, pairs) if pair is not None)
                if len(acceptance) == len(pairs) and list(acceptance) == sorted(acceptance):
                    return cls(temperature, knows_none, acceptance)
        raise ValueError(f"no calibration: {data!r}")


def _pair(value: JsonValue) -> tuple[float, float] | None:
    """A coverage and its least evidence, if that is what it is."""
    match value:
        case [float(coverage), float(evidence)] if 0 < coverage < 1 and math.isfinite(evidence):
            return coverage, evidence
    return None


def expected_calibration_error(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """How far confidence is from accuracy, on average (Naeini et al. 2015): 15 bins of equal width, by default.

    Args:
        probabilities: ``(N, classes)``.
        labels: int64 ``(N,)``.
        bins: how many.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1]], dtype=torch.float64)
    >>> round(expected_calibration_error(probabilities, torch.tensor([0, 1])), 6)
    0.4
    """
    confidence, predicted = probabilities.double().cpu().max(1)
    return reliability(confidence.numpy(), (predicted == labels.cpu()).numpy(), bins).error


def fit_calibration(
    logits: Tensor, labels: Tensor, *, good: Tensor | None = None, knows_none: bool = False
) -> Calibration:
    """Find the temperature of the least negative log-likelihood, and what to expect of good pictures.

    The temperature stays 1 where a better likelihood would cost calibration. Fit on validation data, never on training
    data: of that a model is too sure.

    Args:
        logits: ``(N, classes)``, of pictures like those to come, bad ones among them.
        labels: int64 ``(N,)``.
        good: logits ``(N, classes)`` of good pictures with the same labels, if the others are not.
        knows_none: whether the model was taught that "none of these" has logit 0.

    Raises:
        DataError: for no logits, or shapes that do not belong together.
    """
    if logits.ndim != 2 or not len(logits) or labels.shape != logits.shape[:1]:
        raise DataError(
            f"got logits {tuple(logits.shape)} and labels {tuple(labels.shape)}, expected (N, classes) and (N,)"
        )
    good = logits if good is None else good
    if good.shape != logits.shape:
        raise DataError(
            f"got logits {tuple(good.shape)} of good pictures, expected {tuple(logits.shape)}, as of the others"
        )
    logits, labels, good = logits.detach().double().cpu(), labels.cpu(), good.detach().double().cpu()

    def loss(temperature: float) -> float:
        return float(F.cross_entropy(logits / temperature, labels))

    temperature = _minimum(loss, 0.05, 20.0)
    before, after = (expected_calibration_error((logits / value).softmax(1), labels) for value in (1.0, temperature))
    fitted = Calibration(temperature if after <= before else 1.0, knows_none)
    right = good.argmax(1) == labels
    evidence = fitted.evidence(good[right]) if right.any() else fitted.evidence(good)
    acceptance = [(1 - share, float(evidence.quantile(share))) for share in reversed(_REFUSED)]
    return Calibration(fitted.temperature, knows_none, tuple(acceptance))


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
