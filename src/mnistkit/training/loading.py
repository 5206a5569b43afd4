"""From what a trainer is given to the batches that it asks for."""

from __future__ import annotations

from typing import TypeAlias

import torch

from mnistkit.data import Augmentation, DigitDataset, LoaderAdapter, TensorLoader
from mnistkit.distributed import World
from mnistkit.errors import ConfigError
from mnistkit.types import Loader

__all__ = ["EVALUATION_BATCH", "Batches", "Data", "make_loader"]

#: What a trainer takes as data.
Data: TypeAlias = DigitDataset | TensorLoader | LoaderAdapter | Loader
#: What it asks for batches.
Batches: TypeAlias = TensorLoader | LoaderAdapter

# Measured: a CPU is fastest from 64 to 256; much larger batches no longer fit its cache.
EVALUATION_BATCH = 256


def make_loader(
    data: Data,
    *,
    batch_size: int,
    shuffle: bool,
    seed: int,
    augment: Augmentation | None,
    device: torch.device,
    world: World,
) -> Batches:
    """The batches of a data set; a loader stays what it is, and a ``DataLoader`` is adapted.

    Raises:
        ConfigError: for a loader made for another device or process.
    """
    if isinstance(data, DigitDataset):
        return TensorLoader(data, batch_size, shuffle=shuffle, seed=seed, augment=augment, device=device, world=world)
    if not isinstance(data, TensorLoader | LoaderAdapter):
        return LoaderAdapter(data, device)
    if data.device != device:
        raise ConfigError(f"the loader is on {data.device}, the trainer on {device}; give both one device=")
    if isinstance(data, TensorLoader) and data.world != world:
        raise ConfigError(
            f"the loader is for process {data.world.rank} of {data.world.size}, this is {world.rank} of {world.size}: "
            "give it world=World.current(), or give the trainer the data set itself"
        )
    return data
