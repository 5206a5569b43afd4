"""Several processes as one object that does nothing when there is only one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["World"]


@dataclass(frozen=True)
class World:
    """The processes that train together.

    Every method is called on every rank, and leaves the same result on every rank; with one process it costs nothing.

    Attributes:
        rank: this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls, device: torch.device | None = None) -> World:
        """The world that ``torchrun`` started this process in, or a world of one.

        Joins the process group if nobody has: NCCL for CUDA devices, Gloo otherwise.
        """
        if not dist.is_available() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device is not None and device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and prints the lines."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of every rank's tensor, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def min(self, value: int) -> int:
        """The smallest of every rank's numbers."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, device=self._device())
        dist.all_reduce(tensor, op=dist.ReduceOp.MIN)
        return int(tensor)

    def any(self, flag: bool) -> bool:
        """Whether any rank says yes: a decision that depends on a clock must be everybody's."""
        return self.min(0 if flag else 1) == 0

    def union(self, names: Iterable[str]) -> list[str]:
        """Every name that any rank knows, in one order on all of them."""
        gathered: list[list[str] | None] = [list(names)]
        if self.size > 1:
            gathered = [None] * self.size
            dist.all_gather_object(gathered, list(names))
        return sorted({name for known in gathered for name in known or ()})

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the ranks, in one exchange."""
        if self.size == 1:
            return
        parameters = [p for p in parameters if p.requires_grad]
        # A parameter unused on this rank still takes part: an exchange that ranks enter differently never ends.
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite every rank's tensors with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            dist.barrier()

    def _device(self) -> torch.device:
        return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
