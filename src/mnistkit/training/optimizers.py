"""Optimizers by name, with torch's own defaults and its fused form where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import nn

from mnistkit.errors import ConfigError, unknown_name

__all__ = ["OptimizerFactory", "list_optimizers", "make_optimizer"]

#: From a model's parameters to an optimizer: ``lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)``.
OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_FUSED = frozenset({"adam", "adamw", "adagrad", "sgd"})


def list_optimizers() -> list[str]:
    """The names that :class:`mnistkit.Trainer` takes as ``optimizer``."""
    return sorted(_OPTIMIZERS)


def make_optimizer(name: str, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """An optimizer by name.

    Raises:
        ConfigError: for an unknown name, with the likeliest meant one.
    """
    if name not in _OPTIMIZERS:
        raise ConfigError(unknown_name("optimizer", name, _OPTIMIZERS))
    parameters = list(parameters)
    arguments: dict[str, Any] = {"lr": lr}
    if name in _FUSED and all(p.device.type in {"cpu", "cuda"} for p in parameters):
        arguments["fused"] = True  # One kernel for the whole update: the same arithmetic, less overhead.
    return _OPTIMIZERS[name](parameters, **arguments)
