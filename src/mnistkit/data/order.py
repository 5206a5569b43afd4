"""Which images make which batch of an epoch, on which process: a pure function of the seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mnistkit.distributed import World
from mnistkit.errors import ConfigError
from mnistkit.seeding import derive_seed

__all__ = ["EpochOrder"]


@dataclass(frozen=True)
class EpochOrder:
    """The order of the images in each epoch, and how it is cut into batches.

    A single image left over at the end of a shuffled epoch joins the batch before it: batch norm has no deviation of one.

    Attributes:
        count: how many images there are.
        batch_size: images in a batch on each process.
        shuffle: whether each epoch has an order of its own. If so, every process gets equally many images (at most
            ``world.size - 1`` are left out of an epoch); if not, none is left out.
        seed: of the order.
        world: the processes that share the images.

    Raises:
        ConfigError: if ``batch_size`` is less than 1.

    >>> [len(chunk) for chunk in EpochOrder(10, batch_size=3, shuffle=True).chunks(epoch=0)]
    [3, 3, 4]
    """

    count: int
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    world: World = World()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if not isinstance(self.batch_size, int) or not 1 <= self.batch_size < 2**31:
            raise ConfigError(f"batch_size is {self.batch_size}, expected at least 1 and a whole number")

    def __len__(self) -> int:
        """Batches in an epoch on this process."""
        share = self._share()
        return -(-share // self.batch_size) - (1 if self._joins(share) else 0)

    def of(self, epoch: int) -> Tensor:
        """The positions of this process's images in an epoch, in the order in which they come; int64."""
        rank, size = self.world.rank, self.world.size
        if not self.shuffle:
            return torch.arange(self.count)[rank::size]
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(self.count, generator=generator)[rank::size][: self._share()]

    def chunks(self, epoch: int) -> list[Tensor]:
        """The same, batch by batch."""
        *chunks, last = torch.split(self.of(epoch), self.batch_size)
        return [*chunks[:-1], torch.cat([chunks[-1], last])] if self._joins(self._share()) else [*chunks, last]

    def _share(self) -> int:
        """How many images this process gets in an epoch."""
        rank, size = self.world.rank, self.world.size
        return self.count // size if self.shuffle else len(range(rank, self.count, size))

    def _joins(self, share: int) -> bool:
        return self.shuffle and share > self.batch_size > 1 and share % self.batch_size == 1
