"""The number format of the arithmetic, as an object whose float32 form does nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor, nn

from mnistkit.errors import ConfigError, unknown_name

__all__ = ["Precision", "PrecisionName"]

PrecisionName: TypeAlias = Literal["fp32", "bf16", "fp16"]


class Precision:
    """Autocast and loss scaling for one device.

    Args:
        name: ``"fp32"`` (plain arithmetic), ``"bf16"`` (autocast to bfloat16) or ``"fp16"`` (autocast to float16 with
            loss scaling; on a GPU only).
        device: the device that the model is on.

    Attributes:
        name: of the format in use.
        reason: why it was chosen; ``None`` where nothing was to choose.
        scaler: of float16's losses; disabled in the other formats.

    Raises:
        ConfigError: for an unknown name, or for float16 on a CPU.
    """

    def __init__(self, name: PrecisionName = "fp32", device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.reason: str | None = None
        self.use(name)

    @classmethod
    def fastest(cls, model: nn.Module, device: str | torch.device) -> Precision:
        """The format that makes a model's training fastest on a device, as far as that was measured.

        That is bfloat16 for convolutions on a CPU that multiplies it: with matrix units for it (Intel's AMX), 1.2 to 2.1 times
        as fast as float32, or with vectors of it (AVX-512), as fast to 1.9 times as fast. On a CPU without either it is slower,
        for dense layers alone it is slower even with them: float32. On a GPU of NVIDIA's that multiplies it (from compute
        capability 8.0 on), it is bfloat16 for convolutions as well: 1.1 times as fast for the recipe ``vgg-1m`` on an H200, where
        most of the time is spent on starting its small steps.
        """
        device = torch.device(device)
        kind = {"cpu": "CPU", "cuda": "GPU"}.get(device.type)
        if kind is None:
            name, reason = "fp32", "nothing else was measured on this kind of device"
        elif not _multiplies_bfloat16(device):
            name, reason = "fp32", f"this {kind} does not multiply bfloat16"
        elif not any(isinstance(module, nn.Conv2d) for module in model.modules()):
            name, reason = "fp32", "a model without convolutions is slower in bfloat16"
        else:
            name, reason = "bf16", f"this {kind} multiplies bfloat16"
        precision = cls(cast("PrecisionName", name), device)
        precision.reason = reason
        return precision

    def use(self, name: PrecisionName) -> None:
        """Change to another format; between runs only.

        Raises:
            ConfigError: as at construction.
        """
        if name not in get_args(PrecisionName):
            raise ConfigError(unknown_name("precision", name, get_args(PrecisionName)))
        if name == "fp16" and self.device.type == "cpu":
            raise ConfigError("precision 'fp16' needs a GPU; on a CPU use 'bf16' or 'fp32'")
        self.name = name
        self._dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=name == "fp16")

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """A context in which a forward pass runs in this precision; it ends even when the pass raises."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self._dtype)

    def backward(self, loss: Tensor, parameters: Sequence[Tensor] | None = None) -> None:
        """Back-propagate a loss, scaled where float16 would underflow.

        Args:
            loss: scalar.
            parameters: which get gradients; ``None`` for all that the loss depends on.
        """
        # Inside a forward pass, what was cast is remembered; weights change before the next one.
        with torch.autocast(self.device.type, enabled=False) if self.name != "fp32" else contextlib.nullcontext():
            torch.autograd.backward(self.scaler.scale(loss), inputs=parameters)
        if self.name != "fp32":
            torch.clear_autocast_cache()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients of an optimizer's parameters back to their true size."""
        self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters, unless float16 gradients overflowed."""
        self.scaler.step(optimizer)

    def update(self) -> None:
        """Adapt the loss scale; once after all optimizers of a step."""
        self.scaler.update()

    def state_dict(self) -> dict[str, object]:
        """The loss scale and its history; empty unless in float16."""
        return dict(self.scaler.state_dict())

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what :meth:`state_dict` returned."""
        if state:
            self.scaler.load_state_dict(state)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Older versions of torch do not tell, and float32 is right everywhere.
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    return capabilities is not None and any(capabilities().get(name) for name in ("amx_bf16", "avx512_bf16"))
