"""Blur: by a lens, by glass, by motion."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gaussian", "glass", "motion"]

_LARGEST_ANGLE = 45.0


def gaussian(images: Tensor, sigma: float) -> Tensor:
    """Images ``(N, H, W)`` blurred by a normal distribution of this deviation in pixels, cut off at four of them.

    Beyond the border they go on as at the border.
    """
    reach = int(4 * sigma + 0.5)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    rows = F.conv2d(F.pad(images[:, None], (reach, reach, 0, 0), mode="replicate"), weights)
    columns = F.conv2d(F.pad(rows, (0, 0, reach, reach), mode="replicate"), weights.transpose(2, 3))
    return columns[:, 0]


def glass(images: Tensor, strength: tuple[float, int, int], generator: torch.Generator) -> Tensor:
    """Seen through frosted glass: blurred, neighbouring pixels swapped one after the other, blurred again."""
    sigma, farthest, rounds = strength
    # The first blur's result has 256 grey levels, as in the released code.
    pixels = gaussian(images, sigma).mul(255).floor()
    n, height, width = pixels.shape
    every = torch.arange(n)
    places = [(y, x) for y in range(height - farthest, farthest, -1) for x in range(width - farthest, farthest, -1)]
    for _ in range(rounds):
        swaps = torch.rand(len(places), n, generator=generator) < 0.5
        steps = torch.randint(-farthest, farthest, (len(places), 2, n), generator=generator)
        # A pixel that does not swap swaps with itself.
        moves = torch.where(swaps[:, None], steps, 0)
        for (y, x), (down, right) in zip(places, moves, strict=True):
            here, there = pixels[:, y, x].clone(), pixels[every, y + down, x + right]
            pixels[:, y, x] = there
            pixels[every, y + down, x + right] = here
    return gaussian(pixels / 255, sigma)


def motion(images: Tensor, strength: tuple[int, float], generator: torch.Generator) -> Tensor:
    """Moved while the shutter was open, in a direction of up to 45 degrees from the horizontal.

    Each pixel leaves a trail to one side, fading like half a normal distribution.
    """
    radius, sigma = strength
    steps = 2 * radius + 1
    weights = torch.exp(-0.5 * (torch.arange(steps) / sigma) ** 2)
    weights = weights / weights.sum()
    n, height, width = images.shape
    angles = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(_LARGEST_ANGLE)
    padded = F.pad(images[:, None], (steps, steps, steps, steps), mode="replicate")[:, 0]
    rows = torch.arange(height).view(1, -1, 1) + steps
    columns = torch.arange(width).view(1, 1, -1) + steps
    every = torch.arange(n).view(-1, 1, 1)
    blurred = torch.zeros_like(images)
    for step in range(steps):
        down = torch.round(step * angles.sin()).long().view(-1, 1, 1)
        right = torch.round(step * angles.cos()).long().view(-1, 1, 1)
        blurred += weights[step] * padded[every, rows + down, columns + right]
    return blurred
