"""What several parts do with any model: put it into eval mode for a while, and ask where it is."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["evaluating", "model_device"]


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """With a model in eval mode; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def model_device(model: nn.Module) -> torch.device:
    """Where a model's parameters are, or else its buffers; the CPU for one without any."""
    example = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if example is None else example.device
