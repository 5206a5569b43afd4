"""Whole-batch augmentation: every image of a batch changed in its own way by a few operations on all of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import ConfigError, DataError

__all__ = ["Augment", "PixelShift"]


# So many images of a batch are looked at; each that is normalised has paper, which is then below 0.
_LOOKED_AT = 8
# So far beyond 0 and 1 is what rounding leaves, in half precision too.
_ROUNDING = 0.01


@dataclass(frozen=True)
class Augment:
    """Random affine and elastic distortion, mirroring, ink width, erasing, blur and contrast, drawn anew for every image.

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
        mirror: probability of exchanging left and right: for clothes, not for digits.

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
    mirror: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 1 if name == "smoothness" else 0
            if not (math.isfinite(value) and value >= least):
                raise ConfigError(f"{name} is {value}, expected a number from {least}")
        if max(self.erase, self.blur, self.mirror) > 1 or self.scale >= 1 or self.shear >= 90:
            raise ConfigError(
                f"erase is {self.erase} (at most 1), blur is {self.blur} (at most 1), mirror is {self.mirror} (at most 1), "
                f"scale is {self.scale} (less than 1), shear is {self.shear} (less than 90)"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distort float32 images ``(N, C, H, W)`` in ``[0, 1]``, drawing from a CPU generator.

        Raises:
            DataError: for others, such as normalised ones. On a GPU, which would have to be waited for, only the form is
                looked at.
        """
        _require_images(images)
        if self.mirror:
            images = self._mirror(images, generator)
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

    def _mirror(self, images: Tensor, generator: torch.Generator) -> Tensor:
        chosen = (torch.rand(len(images), generator=generator) < self.mirror).to(images.device)
        return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)

    def _warp(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = images.shape
        limits = [math.radians(self.rotate), math.radians(self.shear), self.scale, self.scale]
        limits += [2 * self.shift / width, 2 * self.shift / height]
        draws = torch.rand(6, n, generator=generator).mul_(2).sub_(1).mul_(torch.tensor(limits).view(6, 1))
        angle, shear, scale_x, scale_y, shift_x, shift_y = draws.unbind()
        cos, sin, slant = torch.cos(angle), torch.sin(angle), torch.tan(shear)
        x, y = 1 + scale_x, 1 + scale_y
        theta = torch.stack(
            [cos * x, (slant * cos - sin) * y, shift_x, sin * x, (slant * sin + cos) * y, shift_y], dim=1
        )
        # One product for all images, with x and y apart: three times as fast as a product for each of them.
        grid = (theta.view(2 * n, 3) @ _pixels(height, width)).view(n, 2, height, width)
        if self.elastic:
            grid = grid + self._displacement(n, height, width, generator)
        grid = grid.permute(0, 2, 3, 1).to(images.device)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _displacement(self, n: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """A smooth random field ``(N, 2, H, W)``: noise on a coarse lattice, interpolated."""
        rows, columns = (_bicubic(max(2, round(side / self.smoothness)) + 1, side) for side in (height, width))
        noise = torch.randn(n, 2, rows.shape[1], columns.shape[1], generator=generator)
        unit = torch.tensor([2 * self.elastic / width, 2 * self.elastic / height]).view(1, 2, 1, 1)
        return rows @ (noise * unit @ columns.T)

    def _change_ink(self, images: Tensor, generator: torch.Generator) -> Tensor:
        amount = ((2 * torch.rand(len(images), generator=generator) - 1) * self.ink).to(images.device).view(-1, 1, 1, 1)
        thick, thin = _over_3x3(images, torch.maximum), _over_3x3(images, torch.minimum)
        changed = images + amount.clamp(min=0) * (thick - images) + amount.clamp(max=0) * (images - thin)
        return changed.clamp_(0, 1)

    def _erase(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = images.shape
        draws = torch.rand(5, n, 1, generator=generator)
        # A rectangle is where an interval of rows meets one of columns; both at once are half the work.
        sides = torch.tensor([height, width]).view(2, 1, 1)
        length = draws[:2] * (sides / 3)
        middle = draws[2:4] * (sides - length) + length / 2
        inside = ((torch.arange(0.5, max(height, width)) - middle).abs_() * 2 < length) & (draws[4] < self.erase)
        rows, columns = inside.float()
        hole = rows[:, None, :height, None] * columns[:, None, None, :width]
        return torch.addcmul(images, images, hole.to(images.device), value=-1)

    def _blur(self, images: Tensor, generator: torch.Generator) -> Tensor:
        share = (torch.rand(len(images), generator=generator) * self.blur).to(images.device).view(-1, 1, 1, 1)
        return images.lerp(_over_3x3(images, functools.partial(torch.lerp, weight=0.5)), share)

    def _change_contrast(self, images: Tensor, generator: torch.Generator) -> Tensor:
        exponent = ((2 * torch.rand(len(images), generator=generator) - 1) * self.gamma).exp()
        # Resampling can leave a pixel a rounding error below 0, and the power of that is NaN.
        return images.clamp(0, 1).pow_(exponent.to(images.device).view(-1, 1, 1, 1))


@dataclass(frozen=True)
class PixelShift:
    """Moves every image by whole pixels, each in its own way: the least that helps, at a fraction of a resampling's cost.

    Attributes:
        most: how far at most, in each direction.

    Raises:
        ConfigError: for less than one pixel.

    >>> PixelShift(1)(torch.rand(8, 1, 28, 28), torch.Generator().manual_seed(0)).shape
    torch.Size([8, 1, 28, 28])
    """

    most: int = 1

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f"most is {self.most}, expected at least 1 pixel")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Move float32 images ``(N, C, H, W)`` in ``[0, 1]``, drawing from a CPU generator; what comes in at an edge is black.

        Raises:
            DataError: for others, as :class:`Augment` does.
        """
        _require_images(images)
        n, _, height, width = images.shape
        windows = F.pad(images, [self.most] * 4).unfold(2, height, 1).unfold(3, width, 1)
        rows, columns = torch.randint(2 * self.most + 1, (2, n), generator=generator).to(images.device)
        return windows[torch.arange(n, device=images.device), :, rows, columns]


def _require_images(images: Tensor) -> None:
    """Refuse what black is not 0 in: the edges that come in, and what is erased, would be of a grey that no image has."""
    if images.ndim != 4 or not images.is_floating_point():
        raise DataError(
            f"got {images.dtype} images of shape {tuple(images.shape)} to augment, expected floats (N, C, H, W) from 0 to 1: "
            "images of 8 bits divided by 255, and images[None] for a single one"
        )
    if images.device.type != "cpu" or not images.numel():
        return
    least, most = (float(value) for value in images[:_LOOKED_AT].detach().aminmax())
    if least < -_ROUNDING or most > 1 + _ROUNDING:
        raise DataError(
            f"got images from {least:.3g} to {most:.3g} to augment, expected 0 to 1: these are normalised already, or noisy. "
            "Augment first, with Trainer(..., augment=), or train on data.normalized(mean=0.0, std=1.0), whose images are "
            "from 0 to 1 also in a step; noise is added after it, or cut off with clamp(0, 1)"
        )


@functools.lru_cache
def _pixels(height: int, width: int) -> Tensor:
    """The centre of each pixel as a column ``(x, y, 1)``, in an image that goes from -1 to 1: ``(3, H*W)``."""
    x, y = ((2 * torch.arange(side) + 1) / side - 1 for side in (width, height))
    return torch.stack([x.repeat(height), y.repeat_interleave(width), torch.ones(height * width)])


@functools.lru_cache
def _bicubic(coarse: int, fine: int) -> Tensor:
    """The matrix that interpolates ``coarse`` numbers to ``fine`` ones: a product with it is 30 times as fast."""
    return F.interpolate(torch.eye(coarse)[None, None], (fine, coarse), mode="bicubic", align_corners=True)[0, 0]


def _over_3x3(images: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Join each pixel with its eight neighbours; beyond the edge an image goes on as at the edge.

    Neighbours are joined in pairs twice, along the rows and then the columns: the largest of three, or the mean 1 2 1. Whole
    images at a time, that is far quicker than torch's pooling, which goes from window to window.
    """
    joined = F.pad(images, (1, 1, 1, 1), mode="replicate")
    for dim in (-1, -1, -2, -2):
        pairs = joined.shape[dim] - 1
        joined = join(joined.narrow(dim, 0, pairs), joined.narrow(dim, 1, pairs))
    return joined
