"""Images that come ready in tensors are as their user made them; beside a data set that is normalised they must be so too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sized
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset

from mnistkit.data import CombinedLoader, DigitDataset, LoaderAdapter, TensorLoader
from mnistkit.errors import DataError
from mnistkit.seeding import keeping_generators
from mnistkit.training.batches import named_images

__all__ = ["require_one_normalisation"]

# So many images are looked at; each that is normalised has paper, which is then below 0.
_LOOKED_AT = 8


def require_one_normalisation(*given: object) -> None:
    """Refuse images from 0 to 1 in a data set of torch's beside a :class:`~mnistkit.DigitDataset` that is normalised.

    A model would be trained on images of one kind and judged, or trained too, by those of another. What a loader of the
    user's own gives is not looked at.

    Args:
        given: the data of one run.

    Raises:
        DataError: with what to write for either.
    """
    leaves = [leaf for data in given for leaf in _leaves(data)]
    normalised = [leaf for leaf in leaves if isinstance(leaf, DigitDataset) and min(_black(leaf)) < 0]
    if not normalised:
        return
    for dataset in leaves:
        if isinstance(dataset, DigitDataset):
            continue
        images = _first_images(dataset)
        if images is not None and 0 <= float(images.min()) < float(images.max()) <= 1:
            known = normalised[0]
            raise DataError(
                f"the images of the {type(dataset).__name__} are from 0 to 1, those of {known!r} are normalised: give the model "
                "one kind. Either data.normalized(mean=0.0, std=1.0) in place of the DigitDataset, or in the "
                f"{type(dataset).__name__} (images - {_text(known.mean)}) / {_text(known.std)}, which is "
                "data.preprocessing.normalize(data.images) for images of 8 bits"
            )


def _black(dataset: DigitDataset) -> list[float]:
    return [-mean / std for mean, std in zip(dataset.mean, dataset.std, strict=True)]


def _text(numbers: tuple[float, ...]) -> str:
    return f"{numbers[0]:.4f}" if len(numbers) == 1 else str([round(number, 4) for number in numbers])


def _leaves(data: object) -> Iterator[Dataset[object]]:
    """The data sets of which the images come, as far as they can be asked for one without disturbing anybody."""
    if isinstance(data, DataLoader | Subset | TensorLoader):
        yield from _leaves(data.dataset)
    elif isinstance(data, LoaderAdapter):
        yield from _leaves(data.loader)
    elif isinstance(data, ConcatDataset):
        yield from itertools.chain.from_iterable(map(_leaves, data.datasets))
    elif isinstance(data, CombinedLoader):
        yield from itertools.chain.from_iterable(map(_leaves, data.loaders))
    elif isinstance(data, Dataset) and not isinstance(data, IterableDataset) and hasattr(data, "__len__"):
        yield data


def _first_images(dataset: Dataset[object]) -> Tensor | None:
    count = min(len(cast("Sized", dataset)), _LOOKED_AT)
    if not count:
        return None
    with keeping_generators(torch.device("cpu")):
        images = [_image_in(dataset[position]) for position in range(count)]
    parts = [part for part in images if isinstance(part, Tensor) and part.is_floating_point() and part.numel()]
    return torch.cat([part.flatten() for part in parts]) if parts else None


def _image_in(sample: object) -> object:
    if isinstance(sample, Mapping):
        return named_images(sample)
    return sample[0] if isinstance(sample, tuple | list) and sample else None
