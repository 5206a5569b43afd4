"""What the machine can do at best: matrix products and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from speed.timing import alternate, median, part, seconds_of

SIDE, MEGABYTES = 2048, 400


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Float32 and bfloat16 products of large matrices, and a copy of memory, in float operations and bytes a second."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    short_a, short_b = a.bfloat16(), b.bfloat16()
    source = torch.zeros(MEGABYTES * 250_000)
    target = torch.zeros_like(source)
    seconds = alternate(
        {
            "float32": seconds_of(lambda: a @ b),
            "bfloat16": seconds_of(lambda: short_a @ short_b),
            "copy": seconds_of(lambda: target.copy_(source)),
        },
        max(5, runs),
    )
    rates = {
        "float32 products, GFLOP/s": [2e-9 * SIDE**3 / median(seconds["float32"])],
        "bfloat16 products, GFLOP/s": [2e-9 * SIDE**3 / median(seconds["bfloat16"])],
        "memory read and written, GB/s": [2e-3 * MEGABYTES / median(seconds["copy"])],
    }
    return part("The machine's own limits", "", rates, "", "")
