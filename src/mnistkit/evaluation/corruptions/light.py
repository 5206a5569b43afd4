"""Light, weather and dirt."""

from __future__ import annotations

import torch
from torch import Tensor

from mnistkit.evaluation.corruptions.blur import gaussian

__all__ = ["brightness", "fog", "plasma", "spatter", "stripe"]

_FOG_SIDE, _FOG_BANKS = 256, 32
# Below this a drop's edge does not show; mud is dark grey.
_EDGE, _MUD = 0.8, 63 / 255


def brightness(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random)
    """Everything lighter by the same amount."""
    return (images + amount).clamp(max=1)


def stripe(images: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random)
    """The left and the right quarter turned into their negatives."""
    quarter = images.shape[2] // 4
    striped = images.clone()
    striped[:, :, :quarter] = 1 - images[:, :, :quarter]
    striped[:, :, -quarter:] = 1 - images[:, :, -quarter:]
    return striped


def fog(images: Tensor, strength: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Behind plasma clouds, the whole then dimmed to the range that it had.

    The images look into some banks of fog at different places, where the released code makes a bank for each of them and
    looks into its corner.
    """
    thickness, decay = strength
    n, height, width = images.shape
    banks = plasma(min(_FOG_BANKS, n), decay, generator)
    bank = torch.arange(n).view(-1, 1, 1) % len(banks)
    top, left = torch.randint(0, _FOG_SIDE, (2, n, 1, 1), generator=generator)
    rows = (top + torch.arange(height).view(1, -1, 1)) % _FOG_SIDE
    columns = (left + torch.arange(width).view(1, 1, -1)) % _FOG_SIDE
    brightest = images.amax((1, 2), keepdim=True)
    return (images + thickness * banks[bank, rows, columns]) * brightest / (brightest + thickness)


def plasma(count: int, decay: float, generator: torch.Generator) -> Tensor:
    """Height maps ``(count, 256, 256)`` from 0 to 1 by the diamond-square algorithm, continued round their edges."""
    heights = torch.zeros(count, _FOG_SIDE, _FOG_SIDE)
    step, wobble = _FOG_SIDE, 1.0
    while step > 1:
        half = step // 2

        def wobbled(around: Tensor, amount: float = wobble) -> Tensor:
            return around / 4 + amount * (2 * torch.rand(around.shape, generator=generator) - 1)

        corners = heights[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = wobbled(pairs + pairs.roll(-1, 2))
        middles = heights[:, half::step, half::step]
        above_and_below = middles + middles.roll(1, 1)
        heights[:, ::step, half::step] = wobbled(above_and_below + corners + corners.roll(-1, 2))
        beside = middles + middles.roll(1, 2)
        heights[:, half::step, ::step] = wobbled(beside + corners + corners.roll(-1, 1))
        # Squared, as the released code has it, where the amount is a factor twice.
        step, wobble = half, wobble / decay**2
    low, high = heights.amin((1, 2), keepdim=True), heights.amax((1, 2), keepdim=True)
    return (heights - low) / (high - low)


def spatter(images: Tensor, strength: tuple[float, float, float, float, float], generator: torch.Generator) -> Tensor:
    """Mud in drops."""
    mean, deviation, drop, threshold, edge = strength
    liquid = gaussian(mean + deviation * torch.randn(images.shape, generator=generator), drop)
    mud = gaussian((liquid > threshold).float(), edge)
    mud = torch.where(mud < _EDGE, 0.0, mud)
    return images * (1 - mud) + _MUD * mud
