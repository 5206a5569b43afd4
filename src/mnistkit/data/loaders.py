"""Batches: whole ones gathered on the device from resident images, or those of any torch ``DataLoader``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor

from mnistkit.data.datasets import DigitDataset
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError
from mnistkit.seeding import derive_seed
from mnistkit.types import Batch, Loader

__all__ = ["Augmentation", "LoaderAdapter", "TensorLoader"]

#: Takes float32 images ``(N, C, H, W)`` in ``[0, 1]`` and a CPU generator to draw from; returns images of that kind.
Augmentation: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]


class TensorLoader:
    """Batches gathered, augmented and normalised whole, on the device.

    The order is a function of (seed, epoch) and the augmentation one of (seed, epoch, batch, rank), so that any batch
    can be made again without those before it.

    Args:
        dataset: the images; they are moved to the device once, as uint8.
        batch_size: images in a batch on each process; the last batch of an epoch may be smaller.
        shuffle: whether to draw a new order each epoch. A shuffled loader gives every process equally many images
            (at most ``world.size - 1`` are left out of an epoch); an unshuffled one leaves none out.
        seed: of the order and the augmentation.
        augment: changes the images of a batch, before normalisation.
        device: where the batches are.
        world: the processes that share the data.

    Raises:
        ConfigError: if ``batch_size`` is less than 1.
        DataError: if there is no image for each process to train on.

    >>> train, _, _ = load_mnist()
    >>> loader = TensorLoader(train, batch_size=64, shuffle=True)
    >>> len(loader)
    860
    >>> images, labels = next(loader.batches(epoch=3))
    >>> images.shape, images.dtype, labels.shape
    (torch.Size([64, 1, 28, 28]), torch.float32, torch.Size([64]))
    """

    def __init__(
        self,
        dataset: DigitDataset,
        batch_size: int = 64,
        *,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augmentation | None = None,
        device: torch.device | str = "cpu",
        world: World | None = None,
    ) -> None:
        if not isinstance(batch_size, int) or not 1 <= batch_size < 2**31:
            raise ConfigError(f"batch_size is {batch_size}, expected at least 1 and a whole number")
        world = world or World()
        if len(dataset) < (world.size if shuffle else 1):
            raise DataError(
                f"{dataset!r} has too few images: expected at least one for each of {world.size} process(es)"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.device = torch.device(device)
        self.world = world
        self._images = dataset.images.to(self.device)
        self._labels = dataset.labels.to(self.device)

    def __len__(self) -> int:
        return -(-self._share() // self.batch_size)

    def _share(self) -> int:
        """How many images this process gets in an epoch."""
        count, (rank, size) = len(self.dataset), (self.world.rank, self.world.size)
        return count // size if self.shuffle else len(range(rank, count, size))

    def order(self, epoch: int) -> Tensor:
        """The positions of this process's images in an epoch, in the order in which they come."""
        count, world = len(self.dataset), self.world
        if not self.shuffle:
            return torch.arange(count)[world.rank :: world.size]
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(count, generator=generator)[world.rank :: world.size][: self._share()]

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number ``start`` on."""
        chunks = torch.split(self.order(epoch).to(self.device), self.batch_size)
        for number in range(start, len(self)):
            chosen = chunks[number]
            yield Batch(self._prepare(self._images[chosen], epoch, number), self._labels[chosen])

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def _prepare(self, images: Tensor, epoch: int, number: int) -> Tensor:
        preprocessing = self.dataset.preprocessing
        if self.augment is None:
            return preprocessing.normalize(images)
        seed = derive_seed(self.seed, "augment", epoch, number, self.world.rank)
        augmented = self.augment(images.to(torch.float32).div_(255), torch.Generator().manual_seed(seed))
        return preprocessing.normalize_unit(augmented)


class LoaderAdapter:
    """Any torch ``DataLoader`` (or other sized iterable of pairs) for the training loop.

    A sampler with ``set_epoch`` is told the epoch. Batches are checked on arrival, then moved to the device, as float32
    and int64; resuming inside an epoch draws and drops those already seen.

    Raises:
        ConfigError: if the loader does not know its length.
        DataError: for a batch that is not a pair of tensors, float images and their labels, or raw 0 to 255 values; if
            it ends before its length says.
    """

    def __init__(self, loader: Loader, device: torch.device | str = "cpu") -> None:
        try:
            self._length = len(loader)
        except TypeError as error:
            raise ConfigError(
                f"{type(loader).__name__} has no length; the learning rate needs to know how long training is"
            ) from error
        if self._length == 0:
            raise DataError(f"{type(loader).__name__} is empty: it has no batches")
        self.loader = loader
        self.device = torch.device(device)

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number ``start`` on."""
        set_epoch = getattr(getattr(self.loader, "sampler", None), "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)
        pairs = iter(self.loader)
        # At once, not when the first batch is asked for: a DataLoader draws from torch's generator as it goes.
        for _ in itertools.islice(pairs, start):
            pass
        return self._rest(pairs, start)

    def _rest(self, pairs: Iterator[object], start: int) -> Iterator[Batch]:
        number = start
        for pair in pairs:
            yield self._check(pair)
            number += 1
        # An iterable that can be used only once, or a data set that raises StopIteration, looks like an early end.
        if number < self._length:
            raise DataError(
                f"{type(self.loader).__name__} ended after {number} batches, its length is {self._length}; it must give as "
                "many in every epoch"
            )

    def _check(self, pair: object) -> Batch:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(part, Tensor) for part in pair)):
            raise DataError(f"the loader gave a {type(pair).__name__}, expected a pair of tensors (images, labels)")
        images, labels = pair
        if not images.is_floating_point():
            raise DataError(f"the loader gave {images.dtype} images, expected normalised float32")
        if len(images) != len(labels):
            raise DataError(f"the loader gave {len(images)} images with {len(labels)} labels")
        if images.device.type == "cpu" and images.numel() and images.max() > 128 and images.min() >= 0:
            raise DataError(
                f"the loader gave images from {images.min():g} to {images.max():g}: raw 0 to 255 values; "
                "divide by 255 and normalise them"
            )
        # Arrays that began in NumPy are often float64 and int32; float labels are for a loss of the user's own.
        kind = labels.dtype if labels.is_floating_point() else torch.int64
        return Batch(
            images.to(self.device, torch.float32, non_blocking=True), labels.to(self.device, kind, non_blocking=True)
        )
