"""Which digits of a page get an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mnistkit.calibration import Calibration
from mnistkit.reading.reading import ReadDigit, Reading
from mnistkit.reading.single import Candidate, reject

__all__ = ["cover"]

# Nothing is more certain than this, nor less.
_LEAST = 1e-12


def cover(reading: Reading, calibration: Calibration, coverage: float) -> Reading:
    """The reading with ``prediction.rejected`` set on each digit for which the evidence is too little, as one alone has it.

    The evidence is what all opinions on the page came to: that it is a digit at all, and which.

    Args:
        reading: a page without any rejected digit.
        calibration: of the classifier that read it.
        coverage: the share of good digits that should get an answer.

    Raises:
        ConfigError: if ``coverage`` is no share, or the classifier was never calibrated.
    """
    digits = reading.digits
    if not digits:
        return reading
    none = np.array([digit.none for digit in digits]).clip(_LEAST, 1 - _LEAST)
    shares = np.array([digit.prediction.probabilities for digit in digits]).clip(_LEAST)
    # As the calibration reads logits: those of all classes together are the odds that it is one of them.
    logits = calibration.temperature * (np.log(shares) + np.log((1 - none) / none)[:, None])
    predictions = [digit.prediction for digit in digits]
    candidates = [Candidate(prediction.frame) for prediction in predictions]
    rejected = iter(reject(predictions, logits, candidates, calibration, coverage))
    characters = tuple(
        replace(one, prediction=next(rejected)) if isinstance(one, ReadDigit) else one for one in reading.characters
    )
    return replace(reading, characters=characters)
