"""OnnxLineReader: the network that reads a line without cutting it, computed by ONNX Runtime."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from mnistkit.runtime.program import Program, shipped

__all__ = ["OnnxLineReader"]


@dataclass(frozen=True, eq=False)
class OnnxLineReader:
    """Tells which characters follow each other in a line, as :class:`mnistkit.line_reader.LineReader` does.

    Attributes:
        program: computes the columns of strips.
    """

    program: Program = field(repr=False)

    @classmethod
    @functools.cache
    def pretrained(cls) -> OnnxLineReader:
        """The one that comes with mnistkit-runtime.

        Raises:
            ConfigError: where mnistkit is installed without it.
        """
        return cls(shipped("lines"))

    def columns(self, strips: np.ndarray) -> np.ndarray:
        """What stands in which column.

        Args:
            strips: uint8 ``(N, 32, W)``, grey; ``W`` is even.

        Returns:
            float32 ``(N, 16, W / 2)``: see :class:`~mnistkit.models.LineNet`.
        """
        return self.program("strips", strips[:, None])
