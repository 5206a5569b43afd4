"""One digit in a picture: where it may be, what the network says of it, and whether that is an answer.

Arrays in, predictions out. The network is whatever has logits for frames, so that nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from mnistkit.calibration import Calibration
from mnistkit.errors import BlankImageError
from mnistkit.imaging import Preprocessing, Stages, frame_image, frame_in_stages, load_for_frame, propose
from mnistkit.reading.prediction import Prediction
from mnistkit.types import ImageLike

__all__ = ["Candidate", "FrameClassifier", "choose", "find", "predict", "predictions_from"]

# In nats: another candidate is taken in the first one's place only if it is a digit with 95 %; many looks find something.
_SURE = 3.0
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


def find(image: ImageLike, preprocessing: Preprocessing, *, blank: bool = False) -> Candidate:
    """The likeliest candidate of an image.

    Args:
        image: such as :func:`mnistkit.imaging.load_image` takes.
        preprocessing: the classifier's.
        blank: whether an image without ink gives an empty frame in place of an error.

    Raises:
        ImageError: if it cannot be read.
        BlankImageError: if it has no ink.
    """
    size = preprocessing.size
    try:
        picture = load_for_frame(image, size=size, framing=preprocessing.framing, channels=preprocessing.channels)
        if preprocessing.framing == "mnist":
            return _candidate(frame_in_stages(picture, size=size), preprocessing, picture)
        frame = frame_image(picture, size=size, framing=preprocessing.framing)
    except BlankImageError:
        if not blank:
            raise
        frame = np.zeros((preprocessing.channels, *size), np.uint8)
        return Candidate(preprocessing.reshape(frame[None])[0])
    stages = {"picture": picture, "frame": np.moveaxis(frame, 0, -1).squeeze()}
    return Candidate(preprocessing.reshape(frame[None])[0], stages=stages)


def _candidate(stages: Stages, preprocessing: Preprocessing, picture: np.ndarray | None = None) -> Candidate:
    frame = preprocessing.reshape(stages.frame[None, None])[0]
    return Candidate(frame, stages.share, stages.pictures(), picture)


def predict(
    candidates: Sequence[Candidate], classifier: FrameClassifier, coverage: float | None = None
) -> list[Prediction]:
    """A prediction for each of several pictures, of which the likeliest candidates are given.

    Raises:
        ConfigError: as for :func:`predictions_from`.
    """
    if not candidates:
        return []
    chosen, logits = choose(candidates, classifier)
    return predictions_from(logits, chosen, classifier, coverage)


def choose(candidates: Sequence[Candidate], classifier: FrameClassifier) -> tuple[list[Candidate], np.ndarray]:
    """The candidates that are read, of several pictures of which the likeliest are given, and their logits.

    Where one is no digit, for all that a background class can tell, and another of the picture surely is, that is taken.
    """
    chosen = list(candidates)
    logits = classifier.logits(np.stack([candidate.frame for candidate in chosen]))
    if classifier.calibration.background:
        for number in np.flatnonzero(classifier.calibration.scores(logits) < 0):
            if (better := _look_again(chosen[number], classifier)) is not None:
                chosen[number], logits[number] = better
    return chosen, logits


def _look_again(first: Candidate, classifier: FrameClassifier) -> tuple[Candidate, np.ndarray] | None:
    """The other candidate that is likeliest to be a digit, and its logits; ``None`` if none surely is one."""
    if first.picture is None:
        return None
    preprocessing = classifier.preprocessing
    others = [_candidate(stages, preprocessing) for stages in propose(first.picture, size=preprocessing.size)[1:]]
    if not others:
        return None
    logits = classifier.logits(np.stack([other.frame for other in others]))
    scores = classifier.calibration.scores(logits)
    best = int(scores.argmax())
    return (others[best], logits[best]) if scores[best] > _SURE else None


def predictions_from(
    logits: np.ndarray, candidates: Sequence[Candidate], classifier: FrameClassifier, coverage: float | None = None
) -> list[Prediction]:
    """Predictions from the logits ``(N, classes)`` of candidates.

    Where most of a picture's ink is elsewhere, it shows something else than one digit.

    Raises:
        ConfigError: if ``coverage`` is no share, or the classifier was never calibrated.
    """
    calibration = classifier.calibration
    least = None if coverage is None else calibration.least_evidence(coverage)
    # A network may tell more classes than were named.
    names = (*classifier.classes, *map(str, range(len(classifier.classes), logits.shape[1])))
    predictions = [
        _likeliest(row, candidate.frame, names)
        for row, candidate in zip(calibration.probabilities(logits).tolist(), candidates, strict=True)
    ]
    if least is None:
        return predictions
    evidence, membership = calibration.evidence(logits).tolist(), calibration.membership(logits).tolist()
    return [
        prediction
        if found >= least and candidate.share >= _LEAST_SHARE and prediction.frame.any()
        else replace(prediction, rejected=_reason(prediction, member, candidate.share))
        for prediction, candidate, found, member in zip(predictions, candidates, evidence, membership, strict=True)
    ]


def _likeliest(row: Sequence[float], frame: np.ndarray, names: tuple[str, ...]) -> Prediction:
    label = max(range(len(row)), key=row.__getitem__)
    picture = frame[0] if len(frame) == 1 else np.moveaxis(frame, 0, -1)
    return Prediction(label, names[label], row[label], tuple(row), picture, names)


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
