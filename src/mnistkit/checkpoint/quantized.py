"""Weights as bytes: of each layer's outputs, whole multiples of one step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mnistkit.errors import CheckpointFormatError

__all__ = ["as_bytes", "from_bytes"]

# The largest weight of an output is so many steps.
_STEPS = 127


def as_bytes(weights: Mapping[str, Tensor], least: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights with those of layers as bytes, and the steps of these by the same names.

    A layer's weights have two dimensions or more, the first that of its outputs; each output has a step of its own. All else,
    and layers of fewer weights than ``least``, becomes 16-bit floats.
    """
    steps = {
        name: (value.float().abs().flatten(1).amax(1) / _STEPS).clamp(min=1e-12)
        for name, value in weights.items()
        if value.is_floating_point() and value.dim() > 1 and value.numel() >= max(least, 1)
    }
    stored = {
        name: (value.float() / _shaped(steps[name], value)).round().to(torch.int8)
        if name in steps
        else value.half()
        if value.is_floating_point()
        else value
        for name, value in weights.items()
    }
    return stored, steps


def from_bytes(weights: Mapping[str, Tensor], steps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights again, as 16-bit floats: what a file takes in memory is no more than twice its size.

    Raises:
        CheckpointFormatError: for steps without their weights, or of another number.
    """
    restored = dict(weights)
    for name, step in steps.items():
        value = weights.get(name)
        if value is None or value.dtype != torch.int8 or step.shape != value.shape[:1] or not value.dim():
            raise CheckpointFormatError(f"it has no weights that fit the steps of {name}")
        restored[name] = (value * _shaped(step, value)).half()
    return restored


def _shaped(step: Tensor, value: Tensor) -> Tensor:
    """One for each output, to multiply with."""
    return step.view(-1, *[1] * (value.dim() - 1))
