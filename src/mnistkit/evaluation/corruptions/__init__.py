"""The fifteen corruptions of MNIST-C (N. Mu, J. Gilmer: MNIST-C: A Robustness Benchmark for Computer Vision, 2019).

Written anew from the paper and the strengths of its released code, for whole batches, seeded. Random numbers are others
than the released images', so accuracies agree with those on them as those on two random draws do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.evaluation.corruptions import affine, blur, light, lines, noise
from mnistkit.evaluation.corruptions.parts import in_parts

__all__ = ["CORRUPTIONS", "corrupt"]


@dataclass(frozen=True)
class _Corruption:
    """A corruption: what it does, and with which strength in the benchmark.

    Attributes:
        apply: from float32 images ``(N, 28, 28)`` in ``[0, 1]``, a strength and a generator to images of that kind.
        strengths: those of severity 1 to 5; none where there is only one.
        severity: the benchmark's.
    """

    apply: Callable[..., Tensor]
    strengths: tuple[object, ...] = ()
    severity: int | None = None


_ALL = {
    "shot_noise": _Corruption(noise.shot, (60, 25, 12, 5, 3), 5),
    "impulse_noise": _Corruption(noise.impulse, (0.03, 0.06, 0.09, 0.17, 0.27), 4),
    # Width of the blur, farthest swap, rounds.
    "glass_blur": _Corruption(blur.glass, ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)), 1),
    # Length and width of the trail.
    "motion_blur": _Corruption(blur.motion, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), 1),
    "shear": _Corruption(affine.shear, (0.2, 0.4, 0.6, 0.8, 1.0), 2),
    "scale": _Corruption(affine.scale, (0.9, 0.8, 0.7, 0.6, 0.5), 3),
    "rotate": _Corruption(affine.rotate, (0.2, 0.4, 0.6, 0.8, 1.0), 2),
    "brightness": _Corruption(light.brightness, (0.1, 0.2, 0.3, 0.4, 0.5), 5),
    "translate": _Corruption(affine.translate, (1, 2, 3, 4, 5), 3),
    "stripe": _Corruption(light.stripe),
    # Thickness, and how fast small structures get weaker.
    "fog": _Corruption(light.fog, ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)), 5),
    # Mean and deviation of the liquid, width of its drops, its threshold, width of their edges.
    "spatter": _Corruption(
        light.spatter,
        (
            (0.65, 0.3, 4, 0.69, 0.6),
            (0.65, 0.3, 3, 0.68, 0.6),
            (0.65, 0.3, 2, 0.68, 0.5),
            (0.65, 0.3, 1, 0.65, 1.5),
            (0.67, 0.4, 1, 0.65, 1.5),
        ),
        4,
    ),
    "dotted_line": _Corruption(lines.dotted_line),
    "zigzag": _Corruption(lines.zigzag),
    "canny_edges": _Corruption(lines.canny_edges),
}

#: The names of the corruptions, in the paper's order.
CORRUPTIONS = tuple(_ALL)


def corrupt(images: Tensor, name: str, *, severity: int | None = None, seed: int = 0) -> Tensor:
    """Corrupt images, each in its own way, as MNIST-C does.

    Args:
        images: uint8 ``(N, 1, 28, 28)``, white ink on black.
        name: one of :data:`CORRUPTIONS`.
        severity: 1 to 5; by default the benchmark's own. ``stripe``, ``dotted_line``, ``zigzag`` and ``canny_edges`` have
            only one.
        seed: of the randomness; one seed gives one result.

    Returns:
        uint8 ``(N, 1, 28, 28)``.

    Raises:
        ConfigError: for an unknown name, or a severity that there is not.
        DataError: for images of another kind.

    >>> from mnistkit.evaluation import corrupt
    >>> _, _, test = load_mnist()
    >>> corrupt(test.images[:8], "fog", severity=3).shape
    torch.Size([8, 1, 28, 28])
    """
    if name not in _ALL:
        raise ConfigError(unknown_name("corruption", name, _ALL))
    corruption = _ALL[name]
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (1, 28, 28):
        raise DataError(
            f"got {images.dtype} images of shape {tuple(images.shape)}, expected uint8 (N, 1, 28, 28): corrupt them before "
            "they are cropped, resized or normalised"
        )
    if severity is not None and severity not in range(1, len(corruption.strengths) + 1):
        expected = "1 to 5" if corruption.strengths else f"none: {name} has only one"
        raise ConfigError(f"severity of {name} is {severity!r}, expected {expected}")
    level = severity or corruption.severity
    strength = () if level is None else (corruption.strengths[level - 1],)
    return in_parts(
        images, lambda part, generator: corruption.apply(part, *strength, generator), seed, name, level or 0
    )
