"""LineReader: a trained network that reads a line of a page without cutting it, as one value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from mnistkit.models import LineNet
from mnistkit.page_network import PageNetwork

__all__ = ["LineReader"]


class LineReader(PageNetwork):
    """A trained :class:`~mnistkit.models.LineNet` with its card: tells which characters follow each other in a line.

    :meth:`mnistkit.Predictor.read` asks it about each line in which the finder saw digits: it needs no cuts between them, and
    what touches is no harder for it than what does not.

    Attributes:
        network: from strips to columns.
        card: data, recipe, figures, licence.

    >>> strips = np.full((1, 32, 100), 255, np.uint8)
    >>> LineReader.pretrained().columns(strips).shape
    (1, 16, 50)
    """

    made_of: ClassVar[type[nn.Module]] = LineNet
    shipped: ClassVar[str] = "lines"

    def columns(self, strips: np.ndarray) -> np.ndarray:
        """What stands in which column.

        Args:
            strips: uint8 ``(N, 32, W)``, grey, as :func:`mnistkit.imaging.cut_strip` cuts them; ``W`` is even.

        Returns:
            float32 ``(N, 16, W / 2)``: see :class:`~mnistkit.models.LineNet`.
        """
        return self._of_pixels(strips)
