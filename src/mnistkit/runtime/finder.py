"""OnnxFinder: the network that sees where on a page characters stand, computed by ONNX Runtime."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mnistkit.runtime.page_network import OnnxPageNetwork

__all__ = ["OnnxFinder"]


class OnnxFinder(OnnxPageNetwork):
    """Tells where on a page digits and signs stand, as :class:`mnistkit.finder.Finder` does.

    Attributes:
        program: computes the maps of pages.
    """

    file: ClassVar[str] = "finder"

    def maps(self, pages: np.ndarray) -> np.ndarray:
        """What stands where.

        Args:
            pages: uint8 ``(N, H, W)``, grey, with sides that are multiples of 32.

        Returns:
            float32 ``(N, 20, H / 4, W / 4)``: see :class:`~mnistkit.models.FinderNet`.
        """
        return self.program("pages", pages[:, None])
