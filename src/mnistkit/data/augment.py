"""Whole-batch augmentation: every image of a batch changed in its own way by a few operations on all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import ConfigError

__all__ = ["Augment"]


@dataclass(frozen=True)
class Augment:
    """Random affine and elastic distortion, ink width, erasing, blur and contrast, drawn anew for every image.

    Affine and elastic distortion are one resampling; what is switched off costs nothing.

    Attributes:
        rotate: largest rotation, in degrees.
        scale: largest relative change of size, each axis on its own: 0.1 is 0.9 to 1.1.
        shear: largest shear, in degrees.
        shift: largest shift, in pixels.
        elastic: standard deviation of the elastic displacement, in pixels (Simard et al. 2003, section 2).
        smoothness: width of the elastic field's features, in pixels, from 1.
        ink: largest change of stroke width: 1 dilates or erodes by a full pixel on each side.
        erase: probability of blanking a rectangle (Zhong et al. 2017) of up to a third of the image's height and width.
        blur: largest share of a 3x3 binomial blur that is mixed in, 0 to 1.
        gamma: largest change of contrast: an image to the power ``exp(u)`` with ``|u| <= gamma``.

    Raises:
        ConfigError: for a negative amount, or one that leaves nothing of the image.

    >>> augment = Augment(rotate=10, shift=2)
    >>> augment(torch.rand(8, 1, 28, 28), torch.Generator().manual_seed(0)).shape
    torch.Size([8, 1, 28, 28])
    """

    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    smoothness: float = 4.0
    ink: float = 0.0
    erase: float = 0.0
    blur: float = 0.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 1 if name == "smoothness" else 0
            if not (math.isfinite(value) and value >= least):
                raise ConfigError(f"{name} is {value}, expected a number from {least}")
        if self.erase > 1 or self.blur > 1 or self.scale >= 1 or self.shear >= 90:
            raise ConfigError(
                f"erase is {self.erase} (at most 1), blur is {self.blur} (at most 1), scale is {self.scale} (less than "
                f"1), shear is {self.shear} (less than 90)"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distort float32 images ``(N, C, H, W)`` in ``[0, 1]``, drawing from a CPU generator."""
        if self.ink:
            images = self._change_ink(images, generator)
        if self.rotate or self.scale or self.shear or self.shift or self.elastic:
            images = self._warp(images, generator)
        if self.erase:
            images = self._erase(images, generator)
        if self.blur:
            images = self._blur(images, generator)
        if self.gamma:
            images = self._change_contrast(images, generator)
        return images

    def _warp(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = images.shape
        rotate, shear, scale_x, scale_y, shift_x, shift_y = 2 * torch.rand(6, n, generator=generator) - 1
        angle = rotate * math.radians(self.rotate)
        slant = torch.tan(shear * math.radians(self.shear))
        cos, sin = torch.cos(angle), torch.sin(angle)
        x, y = 1 + scale_x * self.scale, 1 + scale_y * self.scale
        theta = torch.stack(
            [
                cos * x, (slant * cos - sin) * y, shift_x * (2 * self.shift / width),
                sin * x, (slant * sin + cos) * y, shift_y * (2 * self.shift / height),
            ],
            dim=1,
        ).view(n, 2, 3)  # fmt: skip
        grid = F.affine_grid(theta.to(images.device), [n, 1, height, width], align_corners=False)
        if self.elastic:
            grid = grid + self._displacement(n, height, width, generator).to(images.device)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _displacement(self, n: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """A smooth random field ``(N, H, W, 2)``: noise on a coarse lattice, interpolated."""
        coarse = [max(2, round(side / self.smoothness)) + 1 for side in (height, width)]
        noise = torch.randn(n, 2, *coarse, generator=generator)
        field = F.interpolate(noise, (height, width), mode="bicubic", align_corners=True)
        unit = torch.tensor([2 * self.elastic / width, 2 * self.elastic / height]).view(1, 2, 1, 1)
        return (field * unit).permute(0, 2, 3, 1)

    def _change_ink(self, images: Tensor, generator: torch.Generator) -> Tensor:
        amount = ((2 * torch.rand(len(images), generator=generator) - 1) * self.ink).to(images.device).view(-1, 1, 1, 1)
        thick = F.max_pool2d(images, 3, stride=1, padding=1)
        thin = -F.max_pool2d(-images, 3, stride=1, padding=1)
        changed = images + amount.clamp(min=0) * (thick - images) + amount.clamp(max=0) * (images - thin)
        return changed.clamp_(0, 1)

    def _erase(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = images.shape
        draws = torch.rand(5, n, 1, generator=generator)
        side_y, side_x = draws[0] * height / 3, draws[1] * width / 3
        top, left = draws[2] * (height - side_y), draws[3] * (width - side_x)
        rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
        in_rows = (rows >= top) & (rows < top + side_y) & (draws[4] < self.erase)
        in_columns = (columns >= left) & (columns < left + side_x)
        hole = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        return images.masked_fill(hole.to(images.device), 0.0)

    def _blur(self, images: Tensor, generator: torch.Generator) -> Tensor:
        share = (torch.rand(len(images), generator=generator) * self.blur).to(images.device).view(-1, 1, 1, 1)
        # Two means over 2x2 pixels are 1 2 1 in each direction; beyond the edge it goes on as at the edge.
        padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
        return images.lerp(F.avg_pool2d(F.avg_pool2d(padded, 2, stride=1), 2, stride=1), share)

    def _change_contrast(self, images: Tensor, generator: torch.Generator) -> Tensor:
        exponent = ((2 * torch.rand(len(images), generator=generator) - 1) * self.gamma).exp()
        # Resampling can leave a pixel a rounding error below 0, and the power of that is NaN.
        return images.clamp(0, 1).pow_(exponent.to(images.device).view(-1, 1, 1, 1))
