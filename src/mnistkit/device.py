"""Where the arithmetic happens: choose a device, describe it, set the number of threads."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import torch

from mnistkit.errors import ConfigError

__all__ = ["DeviceReport", "cpu_threads", "device_report", "resolve_device", "set_cpu_threads"]


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a wish into a device that is there.

    Args:
        device: ``"auto"`` (CUDA, else Apple's MPS, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or a
            :class:`torch.device`. Under ``torchrun``, ``"auto"`` and ``"cuda"`` mean the GPU of this process's local rank.

    Raises:
        ConfigError: if it is no device name, or this machine has no such device.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if isinstance(device, str) and device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(
            f"{device!r} is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1', 'mps' or a torch.device"
        ) from error
    if resolved.type == "meta":
        raise ConfigError("device 'meta' holds no numbers, so nothing can be computed on it; use 'auto' or 'cpu'")
    if resolved.type == "cuda":
        return _resolve_cuda(resolved)
    if resolved.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not available: it needs an Apple GPU; use 'auto' or 'cpu'")
    if resolved.type not in {"cpu", "mps"} and not _backend_available(resolved.type):
        raise ConfigError(f"device {str(resolved)!r} is not available here; use 'auto' or 'cpu'")
    # There is one of these: "cpu:0" is "cpu".
    return torch.device(resolved.type) if resolved.type in {"cpu", "mps"} else resolved


def _backend_available(kind: str) -> bool:
    try:
        module = torch.get_device_module(kind)
    except RuntimeError:  # torch knows the name, and nobody has installed what it stands for
        return False
    return bool(module.is_available())


def _resolve_cuda(device: torch.device) -> torch.device:
    if not torch.cuda.is_available():
        built = torch.version.cuda
        reason = (
            f"torch {torch.__version__} finds no working NVIDIA GPU or driver" if built else "this torch has no CUDA"
        )
        raise ConfigError(f"device {str(device)!r} is not available: {reason}; use 'auto' or 'cpu'")
    count = torch.cuda.device_count()
    index = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
    if index >= count:
        raise ConfigError(
            f"device 'cuda:{index}' is not there: this machine has {count} GPU(s), 'cuda:0' to 'cuda:{count - 1}'"
        )
    return torch.device("cuda", index)


def cpu_threads() -> int:
    """The number of threads that one operation on the CPU may use."""
    return torch.get_num_threads()


def set_cpu_threads(count: int) -> None:
    """Set the number of threads that one operation on the CPU may use.

    Small networks gain nothing from many threads; several processes on one machine should share its cores.

    Raises:
        ConfigError: if ``count`` is less than 1.
    """
    if count < 1:
        raise ConfigError(f"got {count} threads; at least 1 is needed")
    torch.set_num_threads(count)


@dataclass(frozen=True)
class DeviceReport:
    """What this machine can compute with; print it into a bug report."""

    torch: str
    python: str
    cpu: str
    cpu_threads: int
    cpu_capability: str
    gpus: tuple[str, ...]
    chosen: str

    def __str__(self) -> str:
        gpus = ", ".join(self.gpus) or "none"
        return (
            f"torch {self.torch}, Python {self.python}\n"
            f"CPU: {self.cpu}, {self.cpu_threads} threads, {self.cpu_capability}\n"
            f"GPUs: {gpus}\n"
            f"device 'auto' is {self.chosen!r}"
        )


def device_report() -> DeviceReport:
    """Describe the devices of this machine."""
    gpus = tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    if torch.backends.mps.is_available():
        gpus += ("Apple MPS",)
    return DeviceReport(
        torch=str(torch.__version__),
        python=platform.python_version(),
        cpu=platform.machine(),
        cpu_threads=cpu_threads(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        gpus=gpus,
        chosen=str(resolve_device("auto")),
    )


def _one_thread() -> None:
    """Torch's threads are not in a forked child, which would wait for them for ever; one needs no other."""
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_one_thread)
