"""One's own arrays as a data set holds them: uint8 images with their channels, their mean and deviation measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mnistkit.errors import DataError

__all__ = ["as_tensor", "as_uint8", "mean_and_std"]


def as_tensor(values: np.ndarray | Tensor | Sequence[int], what: str) -> Tensor:
    """As a tensor; torch by itself takes no array that is read-only, flipped or big-endian.

    Raises:
        DataError: for what is not an array of numbers.
    """
    if isinstance(values, np.ndarray):
        values = np.require(values, values.dtype.newbyteorder("="), ["C", "W"])
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"got {what} that are not an array of numbers: {error}") from error


def as_uint8(images: Tensor) -> Tensor:
    """Images ``(N, H, W)`` or ``(N, C, H, W)``, uint8 or float from 0 to 1, as uint8 ``(N, C, H, W)``.

    Raises:
        DataError: for another shape, type or range.
    """
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        raise DataError(f"got images of shape {tuple(images.shape)}, expected (N, H, W) or (N, C, H, W)")
    if images.shape[1] > 4 >= images.shape[3]:
        raise DataError(
            f"got images of shape {tuple(images.shape)}, which has the channels last; expected (N, C, H, W): "
            "move them with images.transpose(0, 3, 1, 2), or .permute for a tensor"
        )
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.is_floating_point():
        raise DataError(f"got {images.dtype} images, expected uint8 with 0 to 255 or float with 0 to 1")
    if images.numel():
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):
            hint = "; these look like 0 to 255: convert them to uint8" if 1 < high <= 255 and low >= 0 else ""
            raise DataError(f"got float images from {low:g} to {high:g}, expected 0 to 1{hint}")
    return images.mul(255).round_().to(torch.uint8)


def mean_and_std(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of uint8 images over all pixels, in units of full white."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        # A histogram of the bytes is exact, and needs no float copy of the images.
        counts = sum(
            (torch.bincount(part[:, channel].flatten(), minlength=256) for part in torch.split(images, 4096)),
            torch.zeros(256, dtype=torch.int64),
        )
        weights = counts.to(torch.float64) / counts.sum()
        mean = float((weights * values).sum())
        means.append(mean)
        stds.append(float((weights * (values - mean) ** 2).sum().sqrt()))
    return tuple(means), tuple(stds)
