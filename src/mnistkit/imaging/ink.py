"""What is ink and what is paper: polarity, and how much ink each pixel has."""

from __future__ import annotations

import numpy as np

from mnistkit.errors import BlankImageError

__all__ = ["find_ink"]

# Less contrast than this is paper, light and noise, not writing.
_LEAST_CONTRAST = 20.0
# White on black, or the reverse, as good as it gets: nothing to gain by stretching it further.
_FULL_CONTRAST = 250.0


def find_ink(grey: np.ndarray) -> np.ndarray:
    """The amount of ink in each pixel of a grey image, whichever of ink and paper is darker.

    The image's border is taken for paper. What differs from it no more than the border's own noise does is paper too.

    Args:
        grey: uint8 ``(H, W)``.

    Returns:
        float32 ``(H, W)``: 0 for paper, up to 255 for the strongest ink.

    Raises:
        BlankImageError: if nothing stands out from the paper.
    """
    values = grey.astype(np.float32)
    border = _border(values)
    paper = float(np.median(border))
    difference = values - paper
    # The side on which more energy lies is ink: a few bright specks do not outweigh a dark digit.
    if (np.minimum(difference, 0) ** 2).sum() > (np.maximum(difference, 0) ** 2).sum():
        difference = -difference
    ink = np.maximum(difference, 0)
    strongest = float(ink.max())
    if strongest < _LEAST_CONTRAST:
        raise BlankImageError(
            f"the image is blank: its strongest contrast is {strongest:.0f} of 255, at least {_LEAST_CONTRAST:.0f} is needed"
        )
    noise = float(np.percentile(np.abs(border - paper), 95))
    floor = min(1.5 * noise, 0.5 * strongest)
    gain = 255 / strongest if strongest < _FULL_CONTRAST else 1.0
    return np.where(ink > floor, ink * gain, 0).astype(np.float32)


def _border(values: np.ndarray) -> np.ndarray:
    """The pixels along the edge, a fiftieth of the image deep."""
    depth = max(1, min(values.shape) // 50)
    return np.concatenate(
        [values[:depth].ravel(), values[-depth:].ravel(), values[:, :depth].ravel(), values[:, -depth:].ravel()]
    )
