"""Which digits of a page get an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mnistkit.reading.reading import ReadDigit, Reading
from mnistkit.reading.single import Candidate, FrameClassifier, reject

__all__ = ["cover"]


def cover(reading: Reading, classifier: FrameClassifier, coverage: float) -> Reading:
    """The reading with ``prediction.rejected`` set on each digit for which the evidence is too little.

    The evidence is that of the classifier for the digit that was read, from its frame alone, as it would have it of a picture
    of this one digit: for such pictures the least evidence was measured.

    Args:
        reading: a page without any rejected digit.
        classifier: that read it.
        coverage: the share of good digits that should get an answer.

    Raises:
        ConfigError: if ``coverage`` is no share, or the classifier was never calibrated.
    """
    predictions = [digit.prediction for digit in reading.digits]
    if not predictions:
        return reading
    logits = classifier.logits(np.stack([prediction.frame for prediction in predictions])[:, None])
    # Where the page speaks for another digit than the frame, what counts is how little the frame speaks for it.
    own = logits[np.arange(len(logits)), [prediction.label for prediction in predictions]]
    logits = logits - (logits.max(axis=1) - own)[:, None]
    candidates = [Candidate(prediction.frame) for prediction in predictions]
    rejected = iter(reject(predictions, logits, candidates, classifier.calibration, coverage))
    characters = tuple(
        replace(one, prediction=next(rejected)) if isinstance(one, ReadDigit) else one for one in reading.characters
    )
    return replace(reading, characters=characters)
