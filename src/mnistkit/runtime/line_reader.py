"""OnnxLineReader: the network that reads a line without cutting it, computed by ONNX Runtime."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mnistkit.runtime.page_network import OnnxPageNetwork

__all__ = ["OnnxLineReader"]


class OnnxLineReader(OnnxPageNetwork):
    """Tells which characters follow each other in a line, as :class:`mnistkit.line_reader.LineReader` does.

    Attributes:
        program: computes the columns of strips.
    """

    file: ClassVar[str] = "lines"

    def columns(self, strips: np.ndarray) -> np.ndarray:
        """What stands in which column.

        Args:
            strips: uint8 ``(N, 32, W)``, grey; ``W`` is even.

        Returns:
            float32 ``(N, 16, W / 2)``: see :class:`~mnistkit.models.LineNet`.
        """
        return self.program("strips", strips[:, None])
