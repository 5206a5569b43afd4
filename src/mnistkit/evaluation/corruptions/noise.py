"""Noise: each pixel by itself."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["impulse", "shot"]


def shot(images: Tensor, photons: int, generator: torch.Generator) -> Tensor:
    """What is left when full white is so few photons."""
    return torch.poisson(images * photons, generator=generator) / photons


def impulse(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """This share of the pixels turned black or white."""
    hit, white = torch.rand(2, *images.shape, generator=generator)
    return torch.where(hit < share, (white < 0.5).float(), images)
