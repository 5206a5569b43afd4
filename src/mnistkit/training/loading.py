"""From what a trainer is given to the batches that it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate

from mnistkit.data import Augmentation, CombinedLoader, DigitDataset, LoaderAdapter, TensorLoader
from mnistkit.data.datasets import DIGITS
from mnistkit.data.order import EpochOrder
from mnistkit.data.split_guard import datasets_in
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError
from mnistkit.models.network import BATCH
from mnistkit.seeding import keeping_generators, seed_generators
from mnistkit.types import EpochLoader, Loader

__all__ = [
    "DEFAULT_BATCH",
    "Batches",
    "Data",
    "as_data",
    "classes_of",
    "highest_label",
    "make_loader",
    "refuse_unused",
]

#: What a trainer takes as data: a data set of mnistkit's or of torch's, arrays ``(images, labels)``, or any loader.
Data: TypeAlias = (
    DigitDataset
    | Dataset[object]
    | Dataset[tuple[Tensor, ...]]
    | tuple[np.ndarray | Tensor, np.ndarray | Tensor]
    | TensorLoader
    | LoaderAdapter
    | EpochLoader
    | Loader
)
#: What it asks for batches.
Batches: TypeAlias = TensorLoader | LoaderAdapter

DEFAULT_BATCH = 64

_LABEL_COLUMNS = ("label", "labels", "class", "target", "digit", "y")


def as_data(data: Data, like: object = None) -> Data:
    """Arrays, tables and subsets of a :class:`~mnistkit.DigitDataset` as one; loaders and other data sets as they are.

    Args:
        data: what ``fit`` was given.
        like: the training data: labels are numbered as its classes are, by name, and images normalised as its images are.

    Raises:
        DataError: for arrays that are no images with labels, and for labels of a class that the training data does not have.
    """
    given: object = data
    if isinstance(given, Subset):
        whole = as_data(given.dataset, like)
        return whole[list(given.indices)] if isinstance(whole, DigitDataset) else data
    known = next(datasets_in(like), None)
    if isinstance(given, DigitDataset) and known is not None:
        named = given.with_classes(known.classes)
        # Images of other channels are the model's to refuse.
        return named.normalized(known.mean, known.std) if len(named.mean) == len(known.mean) else named
    pair = _pixels_and_labels(given)
    if pair is None:
        return data
    return DigitDataset.from_arrays(
        *pair,
        classes=DIGITS if known is None else known.classes,
        split="train" if like is None else "validation",
        mean_std=None if known is None else (known.mean, known.std),
    )


def _pixels_and_labels(given: object) -> tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None:
    """The two arrays in a pair of them, or in a table with a row for each image and a column of labels."""
    if hasattr(given, "columns") and hasattr(given, "__getitem__"):
        names = [str(name) for name in given.columns]
        found = [index for index, name in enumerate(names) if name.lower() in _LABEL_COLUMNS]
        if len(found) != 1:
            raise DataError(
                f"the table has {len(found)} columns of labels among {', '.join(names[:3])} ...; expected one named "
                f"{' or '.join(map(repr, _LABEL_COLUMNS))}, and a column for each pixel; or give arrays, fit((images, labels))"
            )
        pixels = [name for index, name in enumerate(given.columns) if index != found[0]]
        side = math.isqrt(len(pixels))
        if side * side != len(pixels):
            raise DataError(
                f"the table has {len(pixels)} columns besides {names[found[0]]!r}, expected a square number of pixels"
            )
        return given[pixels].to_numpy().reshape(-1, side, side), given[given.columns[found[0]]].to_numpy()
    if not isinstance(given, tuple) or len(given) != 2:
        return None
    arrays = [part.to_numpy() if hasattr(part, "to_numpy") else part for part in given]
    return (arrays[0], arrays[1]) if all(isinstance(part, np.ndarray | Tensor) for part in arrays) else None


class DatasetLoader:
    """The batches of one of torch's own data sets: in an order that can be made again, each process its share.

    Raises:
        DataError: for a data set without a length, or of samples that make no batch.
    """

    def __init__(self, dataset: Dataset[object], batch_size: int, *, shuffle: bool, seed: int, world: World) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise DataError(
                f"{type(dataset).__name__} has no length and no order; give a DataLoader of it that knows its length"
            )
        self.dataset = dataset
        self._order = EpochOrder(len(cast("Sized", dataset)), batch_size, shuffle, seed, world)
        if self._order.count < (world.size if shuffle else 1):
            raise DataError(f"{type(dataset).__name__} has {self._order.count} images, expected at least {world.size}")

    def __len__(self) -> int:
        return len(self._order)

    def batches(self, epoch: int, start: int) -> Iterator[object]:
        """The batches of an epoch from number ``start`` on."""
        for chunk in self._order.chunks(epoch)[start:]:
            yield self.dataset[chunk] if isinstance(self.dataset, TensorDataset) else self._collate(chunk.tolist())

    def _collate(self, positions: list[int]) -> object:
        samples = [self.dataset[position] for position in positions]
        try:
            return default_collate(samples)
        except (TypeError, RuntimeError) as error:
            raise DataError(
                f"{type(self.dataset).__name__} gives samples that make no batch: {error}. Expected (image, label) with images "
                "as tensors of one shape: give the data set a transform that makes such, or fit() a DataLoader with a "
                "collate_fn of your own"
            ) from error


def refuse_unused(data: Data, batch_size: int | None, augment: Augmentation | None) -> None:
    """Refuse settings that a loader of the user's own would leave without effect.

    Raises:
        ConfigError: for a batch size or an augmentation that nothing would use.
    """
    if isinstance(data, DigitDataset):
        return
    if augment is not None:
        raise ConfigError(
            f"augment= changes the images of a DigitDataset; those of a {type(data).__name__} are ready when they come. Leave "
            "augment= out and let it augment them, or give the trainer the DigitDataset itself"
        )
    if batch_size is not None and not isinstance(data, Dataset):
        raise ConfigError(
            f"batch_size={batch_size} has no effect: a {type(data).__name__} makes the batches. Leave batch_size= out, or give "
            "the trainer the data set itself"
        )


def classes_of(data: object) -> tuple[str, ...] | None:
    """The names of a data set's classes; ``None`` for data that does not say them."""
    return data.classes if isinstance(data, DigitDataset) else None


def highest_label(data: object) -> int | None:
    """The highest label of a data set; ``None`` for data that does not say its labels."""
    dataset = data.dataset if isinstance(data, TensorLoader) else data
    return int(dataset.labels.max()) if isinstance(dataset, DigitDataset) and len(dataset) else None


def make_loader(
    data: Data,
    *,
    batch_size: int = BATCH,
    shuffle: bool = False,
    seed: int = 0,
    augment: Augmentation | None = None,
    device: torch.device,
    world: World,
) -> Batches:
    """The batches of a data set, by default as an evaluation wants them; a loader stays what it is, and is adapted.

    Raises:
        ConfigError: for a loader made for another device or process.
        DataError: for data without images, or a loader that gives every process the same batches.
    """
    if isinstance(data, DigitDataset):
        return TensorLoader(data, batch_size, shuffle=shuffle, seed=seed, augment=augment, device=device, world=world)
    if isinstance(data, Dataset):
        own = DatasetLoader(data, batch_size, shuffle=shuffle, seed=seed, world=world)
        return LoaderAdapter(own, device)
    for loader in _tensor_loaders(data):
        if loader.world != world:
            raise ConfigError(
                f"the loader is for process {loader.world.rank} of {loader.world.size}, this is {world.rank} of {world.size}: "
                "give it world=World.current() (from mnistkit.distributed), TensorLoader(data, batch_size, shuffle=True, "
                "world=World.current()), or give the trainer the data set itself"
            )
    if not isinstance(data, TensorLoader | LoaderAdapter):
        adapted = LoaderAdapter(cast("Loader", data), device)
        _require_shared(adapted, world)
        return adapted
    if data.device != device:
        raise ConfigError(f"the loader is on {data.device}, the trainer on {device}; give both one device=")
    if isinstance(data, LoaderAdapter):
        _require_shared(data, world)
    return data


def _tensor_loaders(data: object) -> Iterator[TensorLoader]:
    """A loader of ours, or those in a ``CombinedLoader``."""
    if isinstance(data, TensorLoader):
        yield data
    parts = (
        [data.loader] if isinstance(data, LoaderAdapter) else data.loaders if isinstance(data, CombinedLoader) else []
    )
    for part in parts:
        yield from _tensor_loaders(part)


def _require_shared(loader: LoaderAdapter, world: World) -> None:
    """Of several processes each must have a part of the data: with the same random numbers, another first batch.

    With random numbers of their own they have that too, so no two may go through the whole of one data set either.
    """
    if world.size == 1:
        return
    with keeping_generators(loader.device):
        seed_generators(0, loader.device)
        first = repr(_digest(next(loader.batches(0, 0))))
        whole = _whole(loader.loader) or f"a part, in process {world.rank}"
    if min(len(world.union([first])), len(world.union([whole]))) < world.size:
        raise DataError(
            f"every one of {world.size} processes got the same data from {type(loader.loader).__name__}, so that each image "
            "would count several times. Give the trainer the data set itself, which it shares out, a DataLoader with a "
            "torch.utils.data.DistributedSampler(data, num_replicas, rank), or a loader of your own that asks World.current() "
            "(from mnistkit.distributed) for its rank and size"
        )


def _whole(loader: object) -> str | None:
    """What tells the data set of a ``DataLoader`` that goes through all of it; ``None`` for any other loader."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    # With batches of the user's own making, the sampler in their place is none that is used.
    sampler, dataset = getattr(loader.batch_sampler, "sampler", None), cast("Sized", loader.dataset)
    if not isinstance(sampler, Sized) or len(sampler) < len(dataset):
        return None
    return repr((len(dataset), [_digest(loader.dataset[position]) for position in (0, len(dataset) - 1)]))


def _digest(batch: object) -> object:
    if isinstance(batch, Tensor):
        return batch.double().sum().item(), batch.double().square().sum().item(), tuple(batch.shape)
    if isinstance(batch, tuple | list):
        return [_digest(part) for part in batch]
    if isinstance(batch, dict):
        return {name: _digest(part) for name, part in batch.items()}
    return batch
