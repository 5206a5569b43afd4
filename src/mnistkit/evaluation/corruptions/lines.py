"""Lines drawn across the digit, and the digit as its outlines."""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.evaluation.corruptions.blur import gaussian

__all__ = ["canny_edges", "dotted_line", "line", "zigzag"]

# So far from a line's middle, in pixels up or down, its ink ends.
_HALF_WIDTH = 2.3
# Half the length of a tooth, and its height.
_TOOTH = 2.0
_FIRST_COLUMN, _LAST_COLUMN = 2, 25
# The gradient's size, for ink of 1, from which on an edge begins and goes on.
_FAINT, _CLEAR = 0.1, 0.2
# cv2 takes gradients as 16-bit whole numbers; those of an image from 0 to 1 are at most 4 * sqrt(2).
_FINE = 4000


def dotted_line(images: Tensor, generator: torch.Generator) -> Tensor:
    """A straight dotted line from the left to the right."""
    n, _, width = images.shape
    rows = torch.randint(0, width - 1, (2, n), generator=generator).float()
    drawn = line(images, torch.zeros(n), rows[0], torch.full((n,), width - 1.0), rows[1])
    dots = torch.arange(width) % 4 >= 2
    return (images + drawn * dots).clamp(max=1)


def zigzag(images: Tensor, generator: torch.Generator) -> Tensor:
    """A zigzag line from the left to the right, by up to 5 pixels up or down."""
    n, height, _ = images.shape
    start = torch.randint(0, height - 1, (n,), generator=generator).float()
    rise = torch.randint(-5, 5, (n,), generator=generator).float()
    run = _LAST_COLUMN - _FIRST_COLUMN
    angle, length = torch.atan(rise / run), torch.hypot(rise, torch.tensor(float(run)))
    # Along the line: it starts on it, then a tooth to each side in turn, and ends on it.
    teeth = int((run - _TOOTH) // (2 * _TOOTH)) + 1
    along = [torch.zeros(n), *(torch.full((n,), (2 * k + 1) * _TOOTH) for k in range(teeth)), length]
    aside = [0.0, *((-1) ** k * _TOOTH for k in range(teeth)), 0.0]
    columns = [_FIRST_COLUMN + a * angle.cos() - b * angle.sin() for a, b in zip(along, aside, strict=True)]
    rows = [start + a * angle.sin() + b * angle.cos() for a, b in zip(along, aside, strict=True)]
    drawn = images
    for k in range(len(along) - 1):
        drawn = drawn + line(images, columns[k], rows[k], columns[k + 1], rows[k + 1])
    return drawn.clamp(max=1)


def line(images: Tensor, left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
    """The ink of a straight line from (left, top) to (right, bottom), each ``(N,)``, by its distance up or down."""
    _, height, width = images.shape
    column, row = torch.arange(width).view(1, 1, -1), torch.arange(height).view(1, -1, 1)
    left, top, right, bottom = (value.view(-1, 1, 1) for value in (left, top, right, bottom))
    middle = top + (bottom - top) / (right - left) * (column - left)
    distance = (row - middle).abs()
    ink = (1 + torch.log1p(-(distance / _HALF_WIDTH).clamp(max=1 - 1e-6))).clamp(0, 1)
    return ink * ((column >= left.floor()) & (column < right.ceil()))


def canny_edges(images: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random here)
    """The outlines of the ink (Canny 1986), white on black."""
    n, height, width = images.shape
    smooth = F.pad(gaussian(images, 1.0)[:, None], (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    gradients = F.conv2d(smooth, torch.stack([across, across.T])[:, None])
    # One tall picture of all, with a line between two that no edge crosses.
    spaced = F.pad(gradients, (0, 0, 0, 1)).transpose(0, 1).reshape(2, n * (height + 1), width)
    fine = spaced.mul(_FINE).round().to(torch.int16).numpy()
    edges = cv2.Canny(fine[0], fine[1], _FAINT * _FINE, _CLEAR * _FINE, L2gradient=True)
    return torch.from_numpy(edges).view(n, height + 1, width)[:, :height].float() / 255
