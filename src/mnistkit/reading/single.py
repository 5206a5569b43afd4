"""One digit in a picture: what may be it, what a classifier has to say of it, and when no answer should be taken.

Arrays in, predictions out. The network is whatever has logits for frames, so that nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from mnistkit.calibration import Calibration
from mnistkit.imaging import Preprocessing
from mnistkit.reading.prediction import Prediction

__all__ = ["Candidate", "FrameClassifier", "reject", "tells_digits"]

# A picture of one digit has more of its ink in it than elsewhere.
_LEAST_SHARE = 0.5


class FrameClassifier(Protocol):
    """What reading needs of a classifier; :class:`mnistkit.Classifier` is one."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared."""

    @property
    def classes(self) -> tuple[str, ...]:
        """A name for each output."""

    @property
    def calibration(self) -> Calibration:
        """How the logits are read."""

    def logits(self, frames: np.ndarray, /) -> np.ndarray:
        """Of uint8 frames ``(N, C, H, W)``, float ``(N, classes)``."""


def tells_digits(classifier: FrameClassifier) -> bool:
    """Whether its classes are the ten digits, in their order: those that the networks that look at pages know."""
    return classifier.classes == tuple("0123456789")


@dataclass(frozen=True)
class Candidate:
    """What may be the digit of a picture.

    Attributes:
        frame: what the network is to see, uint8 ``(C, H, W)``.
        share: of all the ink in the picture, what it has.
        stages: how that came about, pictures by name.
        picture: where to look for other candidates, uint8 ``(H, W, 3)``; ``None`` where there can be none.
    """

    frame: np.ndarray
    share: float = 1.0
    stages: dict[str, np.ndarray] = field(default_factory=dict)
    picture: np.ndarray | None = None


def reject(
    predictions: Sequence[Prediction],
    logits: np.ndarray,
    candidates: Sequence[Candidate],
    calibration: Calibration,
    coverage: float,
) -> list[Prediction]:
    """The predictions with ``rejected`` set where the evidence is too little for this coverage.

    Where most of a picture's ink is elsewhere, it shows something else than one digit.

    Raises:
        ConfigError: if ``coverage`` is no share, or the classifier was never calibrated.
    """
    least = calibration.least_evidence(coverage)
    evidence, membership = calibration.evidence(logits).tolist(), calibration.membership(logits).tolist()
    return [
        prediction
        if found >= least and candidate.share >= _LEAST_SHARE and prediction.frame.any()
        else replace(prediction, rejected=_reason(prediction, member, candidate.share))
        for prediction, candidate, found, member in zip(predictions, candidates, evidence, membership, strict=True)
    ]


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
