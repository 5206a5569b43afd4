"""Change uint8 images part by part, so that the float copies stay small."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mnistkit.seeding import derive_seed

__all__ = ["in_parts"]

_PART = 1024


def in_parts(images: Tensor, change: Callable[[Tensor, torch.Generator], Tensor], *seed: int | str) -> Tensor:
    """The images after a change, on their device.

    Args:
        images: uint8 ``(N, 1, H, W)``.
        change: from float32 images ``(N, H, W)`` in ``[0, 1]`` and a generator to images of that kind; what goes beyond 0
            and 1 is cut off.
        seed: what each part's generator depends on, besides its number.
    """
    changed = [images[:0].cpu()]
    for number, part in enumerate(torch.split(images.cpu(), _PART) if len(images) else ()):
        generator = torch.Generator().manual_seed(derive_seed(*seed, number))
        result = change(part[:, 0].float().div_(255), generator)
        changed.append(result.clamp(0, 1).mul(255).round().to(torch.uint8)[:, None])
    return torch.cat(changed).to(images.device)
