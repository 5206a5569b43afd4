"""One way to change an image, at a level that can be turned up: shift, rotation, scale, stroke width, noise, blur."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.evaluation.corruptions import affine, blur
from mnistkit.evaluation.corruptions.parts import in_parts

__all__ = ["PERTURBATIONS", "Perturbation", "perturb"]


@dataclass(frozen=True)
class Perturbation:
    """A way to change an image.

    Attributes:
        unit: of its level.
        neutral: the level that changes nothing.
        levels: those that a robustness profile measures.
        apply: from float32 images ``(N, H, W)`` in ``[0, 1]``, a level and a generator to images of that kind.
    """

    unit: str
    neutral: float
    levels: tuple[float, ...]
    apply: Callable[[Tensor, float, torch.Generator], Tensor]


def _shift(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    angles = 2 * math.pi * torch.rand(len(images), generator=generator)
    shift = level * torch.stack([angles.cos(), angles.sin()], dim=1)
    return affine.resample(images, torch.eye(2).expand(len(images), 2, 2), shift)


def _rotate(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    return affine.rotate(images, math.radians(level), generator)


def _widen(images: Tensor, level: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random here)
    # White ink thicker is black paper thinner.
    ink, amount = (images, level) if level >= 0 else (1 - images, -level)
    for step in range(math.ceil(amount)):
        wider = F.max_pool2d(ink[:, None], 3, stride=1, padding=1)[:, 0]
        ink = ink.lerp(wider, min(1.0, amount - step))
    return ink if level >= 0 else 1 - ink


def _add_noise(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    return images + level * torch.randn(images.shape, generator=generator)


def _blur(images: Tensor, level: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001  (nothing is random here)
    return blur.gaussian(images, level)


#: What :func:`perturb` can do, by name.
PERTURBATIONS = {
    "shift": Perturbation("pixels", 0, (0, 1, 2, 3, 4, 5, 6, 7), _shift),
    "rotation": Perturbation("degrees", 0, (0, 10, 20, 30, 40, 50, 60), _rotate),
    "scale": Perturbation("times", 1, (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3), affine.scale),
    "stroke width": Perturbation("pixels on each side", 0, (-1, -0.5, 0, 0.5, 1, 1.5, 2), _widen),
    "noise": Perturbation("deviation", 0, (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), _add_noise),
    "blur": Perturbation("pixels", 0, (0, 0.5, 1, 1.5, 2, 2.5, 3), _blur),
}


def perturb(images: Tensor, name: str, level: float, *, seed: int = 0) -> Tensor:
    """Change images in one way, each in a direction of its own.

    Args:
        images: uint8 ``(N, 1, H, W)``, white ink on black.
        name: ``"shift"``, by ``level`` pixels in a random direction; ``"rotation"``, by ``level`` degrees to the left or
            the right; ``"scale"``, to ``level`` times the size; ``"stroke width"``, ink wider (below 0: narrower) by
            ``level`` pixels on each side; ``"noise"``, normal, with this standard deviation where white is 1; ``"blur"``,
            by a normal distribution with this deviation in pixels.
        level: how much.
        seed: of the randomness; one seed gives one result.

    Returns:
        uint8 ``(N, 1, H, W)``.

    Raises:
        ConfigError: for an unknown name, or a level that makes no sense.
        DataError: for images of another kind.

    >>> from mnistkit.evaluation import perturb
    >>> _, _, test = load_mnist()
    >>> perturb(test.images[:8], "rotation", 30).shape
    torch.Size([8, 1, 28, 28])
    """
    if name not in PERTURBATIONS:
        raise ConfigError(unknown_name("perturbation", name, PERTURBATIONS))
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 1:
        raise DataError(
            f"got {images.dtype} images of shape {tuple(images.shape)}, expected uint8 (N, 1, H, W): change them before they "
            "are normalised"
        )
    if not math.isfinite(level) or (name != "stroke width" and level < 0) or (name == "scale" and level == 0):
        expected = {"scale": "more than 0", "stroke width": "a finite number"}.get(name, "at least 0")
        raise ConfigError(f"level of {name} is {level!r}, expected {expected}")
    perturbation = PERTURBATIONS[name]
    if level == perturbation.neutral:
        return images.clone()
    return in_parts(images, lambda part, generator: perturbation.apply(part, level, generator), seed, name)
