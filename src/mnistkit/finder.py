"""Finder: a trained network that sees where on a page characters stand, as one value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from mnistkit.models import FinderNet
from mnistkit.page_network import PageNetwork

__all__ = ["Finder"]


class Finder(PageNetwork):
    """A trained :class:`~mnistkit.models.FinderNet` with its card: tells where on a page digits, signs and letters stand.

    :meth:`mnistkit.Predictor.read` looks for characters with it, whichever classifier tells what they are.

    Attributes:
        network: from pages to maps.
        card: data, recipe, figures, licence.

    >>> pages = np.full((1, 64, 96), 255, np.uint8)
    >>> Finder.pretrained().maps(pages).shape
    (1, 20, 16, 24)
    """

    made_of: ClassVar[type[nn.Module]] = FinderNet
    shipped: ClassVar[str] = "finder"

    def maps(self, pages: np.ndarray) -> np.ndarray:
        """What stands where.

        Args:
            pages: uint8 ``(N, H, W)``, grey, with sides that are multiples of 32.

        Returns:
            float32 ``(N, 20, H / 4, W / 4)``: see :class:`~mnistkit.models.FinderNet`.
        """
        return self._of_pixels(pages)
