"""Batches: whole ones gathered on the device from resident images, or those of any torch ``DataLoader``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, cast

import torch
from torch import Tensor

from mnistkit.data.datasets import DigitDataset
from mnistkit.data.order import EpochOrder
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError
from mnistkit.seeding import derive_seed
from mnistkit.types import Batch, EpochLoader, Loader

__all__ = ["Augmentation", "CombinedLoader", "LoaderAdapter", "TensorLoader"]

#: Takes float32 images ``(N, C, H, W)`` in ``[0, 1]`` and a CPU generator to draw from; returns images of that kind.
Augmentation: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]


class TensorLoader:
    """Batches gathered, augmented and normalised whole, on the device.

    The order is a function of (seed, epoch) and the augmentation one of (seed, epoch, batch, rank), so that any batch
    can be made again without those before it.

    Args:
        dataset: the images; they are moved to the device once, as uint8.
        batch_size: images in a batch on each process. The last batch of an epoch may be smaller, or, where a single image
            would be left over in training, larger by one.
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
        world = world or World()
        self._order = EpochOrder(len(dataset), batch_size, shuffle, seed, world)
        if len(dataset) < (world.size if shuffle else 1):
            among = f" for each of {world.size} processes" if world.size > 1 else ""
            raise DataError(f"{dataset!r} has too few images: expected at least one{among}")
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
        return len(self._order)

    def order(self, epoch: int) -> Tensor:
        """The positions of this process's images in an epoch, in the order in which they come."""
        return self._order.of(epoch)

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number ``start`` on."""
        chunks = self._order.chunks(epoch)
        for number in range(start, len(self)):
            chosen = chunks[number].to(self.device)
            yield Batch(self._prepare(self._images[chosen], epoch, number), self._labels[chosen])

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def _prepare(self, images: Tensor, epoch: int, number: int) -> Tensor:
        preprocessing = self.dataset.preprocessing
        if self.augment is None:
            return preprocessing.normalize(images)
        seed = derive_seed(self.seed, "augment", epoch, number, self.world.rank)
        augmented = self.augment(images.to(torch.float32).div_(255), torch.Generator().manual_seed(seed))
        changed: object = augmented
        if not isinstance(changed, Tensor) or changed.shape != images.shape:
            raise DataError(
                f"the augmentation returned {_described(changed)} for images {tuple(images.shape)}, expected images of that "
                "kind"
            )
        return preprocessing.normalize_unit(augmented)


class LoaderAdapter:
    """Any torch ``DataLoader`` (or other sized iterable of batches) for the training loop.

    A sampler with ``set_epoch`` is told the epoch. Batches are moved to the device, whatever their nesting; a pair of
    tensors is checked to be images and labels, and arrives as float32 and int64. Resuming inside an epoch draws and drops
    the batches already seen, unless the loader has ``batches(epoch, start)`` (see :class:`mnistkit.types.EpochLoader`).

    Raises:
        ConfigError: if the loader does not know its length.
        DataError: for a pair of tensors that is not float images and their labels, or has raw 0 to 255 values; if the
            loader ends before its length says.
    """

    def __init__(self, loader: Loader | EpochLoader, device: torch.device | str = "cpu") -> None:
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
        loader: object = self.loader
        begin = getattr(loader, "batches", None)
        if callable(begin):
            return self._rest(iter(begin(epoch, start)), start)
        set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)
        given = iter(loader)  # type: ignore[call-overload]  # what has no `batches` is a Loader
        # At once, not when the first batch is asked for: a DataLoader draws from torch's generator as it goes.
        for _ in itertools.islice(given, start):
            pass
        return self._rest(given, start)

    def _rest(self, given: Iterator[object], start: int) -> Iterator[Batch]:
        number = start
        for batch in given:
            # In whatever form it came: the default step asks for images and labels, one's own knows better.
            yield cast("Batch", self._as_pair(batch) or _moved(batch, self.device))
            number += 1
        # An iterable that can be used only once, or a data set that raises StopIteration, looks like an early end.
        if number < self._length:
            raise DataError(
                f"{type(self.loader).__name__} ended after {number} batches, its length is {self._length}; it must give as "
                "many in every epoch"
            )

    def _as_pair(self, batch: object) -> Batch | None:
        match batch:
            case (Tensor() as images, Tensor() as labels):
                return self._checked(images, labels)
        return None

    def _checked(self, images: Tensor, labels: Tensor) -> Batch:
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


class CombinedLoader:
    """The batches of several loaders side by side, as tuples; as long as the first, the others begin again when they end.

    A run on it resumes exactly inside an epoch, because each of them can begin anywhere.

    >>> train, _, _ = load_mnist()
    >>> labelled, unlabelled = train[:100], train[100:2100]
    >>> both = CombinedLoader(TensorLoader(unlabelled, 50, shuffle=True), TensorLoader(labelled, 10, shuffle=True))
    >>> (images, _), (few, labels) = next(both.batches())
    >>> len(both), len(images), len(labels)
    (40, 50, 10)

    Raises:
        ConfigError: for a loader without ``batches(epoch, start)``, such as a ``DataLoader``.
    """

    def __init__(self, first: EpochLoader, *others: EpochLoader) -> None:
        self.loaders = (first, *others)
        for loader in self.loaders:
            if not callable(getattr(loader, "batches", None)):
                raise ConfigError(
                    f"CombinedLoader got a {type(loader).__name__}, which cannot begin an epoch anywhere, as a resumed run "
                    "needs it. Give a TensorLoader(data, batch_size, shuffle=True); for tensors of your own data = "
                    "DigitDataset.from_arrays(images, labels, mean_std=(train.mean, train.std))"
                )

    def __len__(self) -> int:
        return len(self.loaders[0])

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[object, ...]]:
        """The batches of an epoch from number ``start`` on."""
        begin = epoch * len(self) + start
        others = [_endless(loader, begin) for loader in self.loaders[1:]]
        return zip(self.loaders[0].batches(epoch, start), *others, strict=False)


def _endless(loader: EpochLoader, begin: int) -> Iterator[object]:
    """Epoch after epoch, from a batch on that is counted over all of them."""
    epoch, start = divmod(begin, len(loader))
    while True:
        yield from loader.batches(epoch, start)
        epoch, start = epoch + 1, 0


def _described(value: object) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _moved(value: object, device: torch.device) -> object:
    """A batch of any nesting with its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        make: Callable[..., object] = type(value)
        return make(*(_moved(part, device) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(_moved(part, device) for part in value)
    return value
