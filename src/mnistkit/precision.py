"""The number format of the arithmetic, as an object whose float32 form does nothing."""

from __future__ import annotations

import contextlib
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from mnistkit.errors import ConfigError, unknown_name

__all__ = ["Precision", "PrecisionName"]

PrecisionName: TypeAlias = Literal["fp32", "bf16", "fp16"]


class Precision:
    """Autocast and loss scaling for one device.

    Args:
        name: ``"fp32"`` (plain arithmetic), ``"bf16"`` (autocast to bfloat16) or ``"fp16"`` (autocast to float16 with
            loss scaling; on a GPU only).
        device: the device that the model is on.

    Raises:
        ConfigError: for an unknown name, or for float16 on a CPU.
    """

    def __init__(self, name: PrecisionName = "fp32", device: str | torch.device = "cpu") -> None:
        if name not in get_args(PrecisionName):
            raise ConfigError(unknown_name("precision", name, get_args(PrecisionName)))
        self.name = name
        self.device = torch.device(device)
        if name == "fp16" and self.device.type == "cpu":
            raise ConfigError("precision 'fp16' needs a GPU; on a CPU use 'bf16' or 'fp32'")
        self._dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=name == "fp16")

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """A context in which a forward pass runs in this precision; it ends even when the pass raises."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self._dtype)

    def backward(self, loss: Tensor) -> None:
        """Back-propagate a loss, scaled where float16 would underflow."""
        torch.autograd.backward(self._scaler.scale(loss))

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients of an optimizer's parameters back to their true size."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters, unless float16 gradients overflowed."""
        self._scaler.step(optimizer)

    def update(self) -> None:
        """Adapt the loss scale; once after all optimizers of a step."""
        self._scaler.update()

    def state_dict(self) -> dict[str, object]:
        """The loss scale and its history; empty unless in float16."""
        return dict(self._scaler.state_dict())

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what :meth:`state_dict` returned."""
        if state:
            self._scaler.load_state_dict(state)
