"""Affine maps about the image's centre, each in a random direction; black comes in from outside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["resample", "rotate", "scale", "shear", "translate"]


def resample(images: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """For each pixel, what the image has at ``matrix @ (x, y) + shift``, measured from the centre.

    Args:
        images: float32 ``(N, H, W)``.
        matrix: ``(N, 2, 2)``.
        shift: ``(N, 2)``, in pixels.
    """
    height, width = images.shape[1:]
    size = torch.tensor([width, height])
    # grid_sample measures each axis in half images.
    units = matrix * (size[None, :] / size[:, None])
    theta = torch.cat([units, (2 * shift / size)[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [len(images), 1, height, width], align_corners=False)
    return F.grid_sample(images[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]


def shear(images: Tensor, angle: float, generator: torch.Generator) -> Tensor:
    """The vertical axis turned by an angle in radians, to the left or to the right; its length stays."""
    angles = angle * _signs(len(images), generator)
    ones, zeros = torch.ones_like(angles), torch.zeros_like(angles)
    return _transform(images, ones, -angles.sin(), zeros, angles.cos())


def rotate(images: Tensor, angle: float, generator: torch.Generator) -> Tensor:
    """By an angle in radians, to the left or to the right."""
    angles = angle * _signs(len(images), generator)
    return _transform(images, angles.cos(), -angles.sin(), angles.sin(), angles.cos())


def scale(images: Tensor, factor: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random here)
    """To this factor of the size."""
    size, zeros = torch.full((len(images),), 1 / factor), torch.zeros(len(images))
    return _transform(images, size, zeros, zeros, size)


def translate(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """By so many pixels to the left or to the right, and as many up or down."""
    shift = pixels * torch.stack([_signs(len(images), generator), _signs(len(images), generator)], dim=1)
    return resample(images, torch.eye(2).expand(len(images), 2, 2), shift)


def _transform(images: Tensor, xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor) -> Tensor:
    matrix = torch.stack([torch.stack([xx, xy], dim=1), torch.stack([yx, yy], dim=1)], dim=1)
    return resample(images, matrix, torch.zeros(len(images), 2))


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (count,), generator=generator).mul(2).sub(1).float()
