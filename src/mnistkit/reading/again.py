"""A second look at a picture in which the first candidate is no digit: other pieces of ink, and what the finder sees."""

from __future__ import annotations

import numpy as np

from mnistkit.imaging import WORK_SIDE, Maps, find_characters, propose, shrink, to_grey
from mnistkit.reading.candidates import candidates_of
from mnistkit.reading.choosing import choose_apart
from mnistkit.reading.single import Candidate, FrameClassifier

__all__ = ["look_again"]

# In nats: another piece of ink is taken in the first one's place only if it is a digit with 95 %; many looks find something.
_SURE = 3.0
# A picture in which the finder sees another digit with this share of the largest one's area shows more than one.
_ALIKE = 0.4
# In nats, how much surer that it is a digit the finder and the classifier are together than the classifier is of the first.
_SURER = 1.5


def look_again(
    first: Candidate, score: float, classifier: FrameClassifier, maps: Maps
) -> tuple[Candidate, np.ndarray] | None:
    """The other candidate of a picture that is likeliest to be a digit, and its logits; ``None`` if none surely is one.

    Args:
        first: the candidate that is none.
        score: its log-odds.
        classifier: that says so.
        maps: the finder's.
    """
    if first.picture is None:
        return None
    return _other_ink(first.picture, classifier) or _found(first.picture, score, classifier, maps)


def _found(
    picture: np.ndarray, score: float, classifier: FrameClassifier, maps: Maps
) -> tuple[Candidate, np.ndarray] | None:
    picture = shrink(picture, WORK_SIDE)
    page = to_grey(picture)
    finds = find_characters(page, maps)
    found = choose_apart(candidates_of(picture, page, finds, classifier, touching=False), page)
    found = found[found.kinds == 0]
    if not len(found):
        return None
    areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    best = int(areas.argmax())
    if (areas >= _ALIKE * areas[best]).sum() > 1 or found.odds[best] < score + _SURER:
        return None
    left, top, right, bottom = (round(edge) for edge in found.boxes[best].tolist())
    stages = {"picture": picture, "digit": page[top:bottom, left:right], "frame": found.frames[best, 0]}
    return Candidate(found.frames[best], float(areas[best] / areas.sum()), stages), found.logits[best]


def _other_ink(picture: np.ndarray, classifier: FrameClassifier) -> tuple[Candidate, np.ndarray] | None:
    preprocessing = classifier.preprocessing
    others = [
        Candidate(preprocessing.reshape(stages.frame[None, None])[0], stages.share, stages.pictures())
        for stages in propose(picture, size=preprocessing.size)[1:]
    ]
    if not others:
        return None
    logits = classifier.logits(np.stack([other.frame for other in others]))
    scores = classifier.calibration.scores(logits)
    best = int(scores.argmax())
    return (others[best], logits[best]) if scores[best] > _SURE else None
