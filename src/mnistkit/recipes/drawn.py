"""What data sets of drawn pages and of parts of them share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mnistkit.data import DigitDataset
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import PagePainter
from mnistkit.synthetic.fonts import Font

__all__ = ["Drawn", "as_input", "perhaps_faded"]

# So many printed pages have narrow or wide characters.
_NARROWED = 0.25
# So many words are labels: letters with a number.
_LABELLED = 0.5
# So many have other tones: the darkest, the lightest, and what is between them.
_FADED, _DARKEST, _LIGHTEST, _CURVE = 0.3, (0, 60), (150, 255), 0.4


class Drawn(Dataset[tuple[Tensor, Tensor]]):
    """Pictures and what stands in them, each made when it is asked for; a number is always the same one.

    Args:
        digits: those that are written by hand, of one split only.
        fonts: those that are printed.
        hands: fonts of handwriting.
        count: how many there are.
        seed: others for another seed.
    """

    def __init__(
        self, digits: DigitDataset, fonts: Sequence[Font], count: int, *, seed: int, hands: Sequence[Font] = ()
    ) -> None:
        self.painter = PagePainter(digits, fonts, hands, narrowed=_NARROWED, labelled=_LABELLED)
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def generator(self, what: str, number: int) -> np.random.Generator:
        """What decides all of one of them.

        Raises:
            IndexError: for a number that none has.
        """
        if not 0 <= number < self.count:
            raise IndexError(number)
        return np.random.default_rng(derive_seed(self.seed, what, number))


def perhaps_faded(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A picture, uint8 ``(H, W)``, now and then as a poor camera or scanner shows it."""
    if draw.random() >= _FADED:
        return picture
    low, high = draw.uniform(*_DARKEST), draw.uniform(*_LIGHTEST)
    curve = low + (high - low) * np.linspace(0, 1, 256) ** math.exp(draw.normal(0, _CURVE))
    return cv2.LUT(picture, curve.astype(np.uint8))


def as_input(picture: np.ndarray) -> Tensor:
    """A picture, uint8 ``(H, W)``, as networks get it: float ``(1, H, W)``, -1 black to 1 white."""
    return torch.from_numpy(np.ascontiguousarray(picture))[None].float().div_(127.5).sub_(1)
