"""Prediction: what a model says of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from mnistkit.calibration import Calibration

__all__ = ["Prediction", "predictions_from"]

# A picture of one digit has more of its ink in it than elsewhere.
_LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image; prints as a line.

    Attributes:
        label: the class's number; for MNIST the digit. The likeliest one, even if it is rejected.
        name: the class's name.
        confidence: the probability of that class.
        probabilities: of every class, by number.
        rejected: why no answer should be taken from this image; ``None`` if one may, or if none was to be rejected.
        frame: uint8 ``(H, W)`` or ``(H, W, 3)``: what the model saw, before normalisation. When a prediction is wrong,
            look at this first.
    """

    label: int
    name: str
    confidence: float
    probabilities: tuple[float, ...]
    frame: np.ndarray = field(repr=False, compare=False)
    classes: tuple[str, ...] = field(repr=False)
    rejected: str | None = None

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, best first."""
        best = sorted(range(len(self.probabilities)), key=lambda label: -self.probabilities[label])[:count]
        return [(self.classes[label], self.probabilities[label]) for label in best]

    def __str__(self) -> str:
        if self.rejected is not None:
            return f"rejected: {self.rejected}"
        others = ", ".join(
            f"{name} {probability:.1%}" for name, probability in self.top(3)[1:] if probability >= 0.0005
        )
        return f"{self.name} ({self.confidence:.1%}{f'; then {others}' if others else ''})"


def predictions_from(
    logits: Tensor,
    frames: np.ndarray,
    classes: Sequence[str],
    calibration: Calibration,
    reject: float | None = None,
    shares: Sequence[float] | None = None,
) -> list[Prediction]:
    """Predictions from logits ``(N, classes)`` and what the model saw, uint8 ``(N, C, H, W)``.

    Of each image's ink the model saw a share, all of it if none are given; where most is elsewhere, the image shows
    something else than one digit.

    Raises:
        ConfigError: if ``reject`` is no coverage, or the calibration knows none.
    """
    least = None if reject is None else calibration.least_evidence(reject)
    # A model may tell more classes than were named.
    names = (*classes, *map(str, range(len(classes), logits.shape[1])))
    pictures = np.moveaxis(frames, 1, -1)
    predictions = [
        _likeliest(row, picture, names)
        for row, picture in zip(calibration.probabilities(logits).tolist(), pictures, strict=True)
    ]
    if least is None:
        return predictions
    shares = [1.0] * len(frames) if shares is None else shares
    evidence, membership = calibration.evidence(logits).tolist(), calibration.membership(logits).tolist()
    return [
        prediction
        if found >= least and share >= _LEAST_SHARE and prediction.frame.any()
        else replace(prediction, rejected=_reason(prediction, member, share))
        for prediction, found, member, share in zip(predictions, evidence, membership, shares, strict=True)
    ]


def _likeliest(row: Sequence[float], picture: np.ndarray, names: tuple[str, ...]) -> Prediction:
    label = max(range(len(row)), key=row.__getitem__)
    frame = picture[..., 0] if picture.shape[-1] == 1 else picture
    return Prediction(label, names[label], row[label], tuple(row), frame, names)


def _reason(prediction: Prediction, membership: float, share: float) -> str:
    if not prediction.frame.any():
        return "there is no ink in it"
    if share < _LEAST_SHARE:
        return f"most of its ink lies elsewhere: what may be {prediction.name} has {share:.0%}"
    best, *others = prediction.top(2)
    # The likelier of the two reasons: that it is none of the classes, or that it is another one.
    if membership * prediction.confidence < 0.5 and 1 - membership >= membership * (1 - prediction.confidence):
        return f"it looks like none of the classes ({1 - membership:.1%}; if it is one, {best[0]})"
    if not others:
        return "the model is not sure enough"
    return f"it may be {best[0]} ({best[1]:.1%}) or {others[0][0]} ({others[0][1]:.1%})"
