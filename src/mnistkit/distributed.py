"""Several processes as one object that does nothing when there is only one."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mnistkit.errors import ConfigError, ProcessGroupError

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]  # public by torch's documentation

__all__ = ["TIMEOUT", "World"]

#: Seconds that a process waits for the others inside a run, unless it is told otherwise.
TIMEOUT = 45.0

T = TypeVar("T")

# Before a run the processes may be busy with something of their own, such as loading data.
_MEETING = timedelta(minutes=10)
_joined_before = itertools.count()


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
    def current(cls) -> World:
        """The processes of the group that this program made, or else those that ``torchrun`` started; or a world of one.

        Raises:
            ConfigError: if the environment has ``WORLD_SIZE`` and no ``RANK``.
        """
        if not dist.is_available():
            return cls()
        if dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if "RANK" not in os.environ:
            raise ConfigError(
                f"the environment has WORLD_SIZE={size} and no RANK: start the program with torchrun, or unset WORLD_SIZE"
            )
        return cls(int(os.environ["RANK"]), size)

    @classmethod
    @contextmanager
    def joined(cls, device: torch.device, timeout: float = TIMEOUT) -> Iterator[World]:
        """The current world inside its process group: only there can its processes exchange anything.

        Whoever joins leaves: the group ends with the block, also on an error. A group that exists already, one that the
        program made or that of a block around this one, is used and left as it is, its timeout too.

        Args:
            device: NCCL for CUDA devices, Gloo otherwise.
            timeout: seconds after which a process that waits for another one gives up.

        Raises:
            ConfigError: for a timeout that is no positive number of seconds.
            ProcessGroupError: if another process died, or was silent for longer than that.
        """
        if not 0 < timeout < 1e9:
            raise ConfigError(f"timeout is {timeout}, expected a positive number of seconds")
        world = cls.current()
        if world.size == 1 or dist.is_initialized():
            yield world
            return
        with world._exchange():
            world._join("nccl" if device.type == "cuda" else "gloo", timedelta(seconds=timeout))
        try:
            yield world
        finally:
            dist.destroy_process_group()

    def _join(self, backend: str, timeout: timedelta) -> None:
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # as above

        # Names of its own for each group: the store remembers where the processes of the last one listened.
        store = PrefixStore(f"mnistkit/{next(_joined_before)}", _store())
        store.set(str(self.rank), "here")
        store.wait([str(rank) for rank in range(self.size)], _MEETING)
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=timeout)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # all that torch says of a connection that broke or a time that is up
            raise ProcessGroupError(
                f"process {self.rank} of {self.size} waited in vain for another one, which died or was silent for too long; "
                "its own messages say why. If it only needs more time, give the trainer a longer timeout= (seconds). "
                f"torch says: {error}"
            ) from error

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and prints the lines."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of every rank's tensor, in place."""
        if self.size > 1:
            with self._exchange():
                dist.all_reduce(tensor)
        return tensor

    def min(self, value: int) -> int:
        """The smallest of every rank's numbers."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, device=self._device())
        with self._exchange():
            dist.all_reduce(tensor, op=dist.ReduceOp.MIN)
        return int(tensor)

    def any(self, flag: bool) -> bool:
        """Whether any rank says yes: a decision that depends on a clock must be everybody's."""
        return self.min(0 if flag else 1) == 0

    def gather(self, value: T) -> list[T]:
        """Every rank's value, which must be one that can be pickled, in the order of the ranks."""
        if self.size == 1:
            return [value]
        gathered: list[T] = [value] * self.size
        with self._exchange():
            dist.all_gather_object(gathered, value)
        return gathered

    def union(self, names: Iterable[str]) -> list[str]:
        """Every name that any rank knows, in one order on all of them."""
        return sorted({name for known in self.gather(list(names)) for name in known})

    def average_gradients(self, parameters: Iterable[nn.Parameter], weight: float = 1.0) -> None:
        """Replace every gradient by its mean over the ranks, in one exchange; one that no rank has stays ``None``.

        Args:
            parameters: the same ones on every rank.
            weight: of this rank in the mean: how many images its gradients are the mean of.
        """
        parameters = [p for p in parameters if p.requires_grad]
        if self.size == 1 or not parameters:
            return
        # A parameter unused on this rank still takes part: an exchange that ranks enter differently never ends.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        used = torch.tensor([p.grad is not None for p in parameters])
        flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
        numbers = torch.cat([flat * weight, used.to(flat), torch.full_like(flat[:1], weight)])
        total, anywhere, weights = torch.split(self.sum(numbers), [len(flat), len(parameters), 1])
        parts = torch.split(total / weights, [p.numel() for p in parameters])
        for parameter, part, gradient, kept in zip(parameters, parts, gradients, anywhere.tolist(), strict=True):
            parameter.grad = gradient.copy_(part.view_as(gradient)) if kept else None

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite every rank's tensors with those of rank 0."""
        if self.size > 1:
            with self._exchange():
                for tensor in tensors:
                    dist.broadcast(tensor.detach(), src=0)

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            with self._exchange():
                dist.barrier()

    def _device(self) -> torch.device:
        return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


@functools.cache
def _store() -> Store:
    """Where processes that know only an address find each other; opened once, since rank 0 may be the one that serves it."""
    from torch.distributed import rendezvous  # type: ignore[attr-defined]  # as above

    store: Store
    store, _, _ = next(rendezvous("env://", timeout=_MEETING))
    return store
