"""OnnxFinder: the network that sees where on a page characters stand, computed by ONNX Runtime."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from mnistkit.runtime.program import Program, shipped

__all__ = ["OnnxFinder"]


@dataclass(frozen=True, eq=False)
class OnnxFinder:
    """Tells where on a page digits and signs stand, as :class:`mnistkit.finder.Finder` does.

    Attributes:
        program: computes the maps of pages.
    """

    program: Program = field(repr=False)

    @classmethod
    @functools.cache
    def pretrained(cls) -> OnnxFinder:
        """The one that comes with mnistkit-runtime.

        Raises:
            ConfigError: where mnistkit is installed without it.
        """
        return cls(shipped("finder"))

    def maps(self, pages: np.ndarray) -> np.ndarray:
        """What stands where.

        Args:
            pages: uint8 ``(N, H, W)``, grey, with sides that are multiples of 32.

        Returns:
            float32 ``(N, 20, H / 4, W / 4)``: see :class:`~mnistkit.models.FinderNet`.
        """
        return self.program("pages", pages[:, None])
