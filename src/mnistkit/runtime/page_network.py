"""OnnxPageNetwork: a network that looks at pages or parts of them, computed by ONNX Runtime."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import ClassVar, Self

from mnistkit.runtime.program import Program, shipped

__all__ = ["OnnxPageNetwork"]


@dataclass(frozen=True, eq=False)
class OnnxPageNetwork:
    """What :class:`mnistkit.page_network.PageNetwork` is with torch.

    Attributes:
        program: computes what the network says.
    """

    program: Program = field(repr=False)

    #: The name of the file in mnistkit-runtime.
    file: ClassVar[str]

    @classmethod
    @functools.cache
    def pretrained(cls) -> Self:
        """The one that comes with mnistkit-runtime.

        Raises:
            ConfigError: where mnistkit is installed without it.
        """
        return cls(shipped(cls.file))
