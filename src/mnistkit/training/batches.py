"""A batch as the loader gave it: moved to a device, counted, and taken apart where it is images and labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from mnistkit.errors import DataError
from mnistkit.types import Batch

__all__ = ["images_and_labels", "labels_of", "named_images", "size_of"]

# The names under which data sets of others have them (Hugging Face's among them).
_IMAGES = ("images", "image", "pixel_values", "img", "x")
_LABELS = ("labels", "label", "y")


def images_and_labels(batch: object) -> Batch:
    """A batch of which the images and the labels can be told apart: a pair of tensors, or a dict with familiar names.

    Raises:
        DataError: for anything else.
    """
    if isinstance(batch, Batch):
        return batch
    if isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return Batch(*batch)
    if isinstance(batch, Mapping):
        images, labels = named_images(batch), _named(batch, _LABELS)
        if images is not None and labels is not None:
            if not images.is_floating_point():
                raise DataError(
                    f"the loader gave {images.dtype} images, expected normalised float32: divide by 255 and normalise them, "
                    "or make a data set of them with DigitDataset.from_arrays()"
                )
            return Batch(images.float(), labels if labels.is_floating_point() else labels.long())
    raise DataError(
        f"got {_described(batch)} as a batch, expected (images, labels) or a dict with 'images' and 'labels'; for batches "
        "of another form override training_step and evaluation_step"
    )


def labels_of(batch: object) -> Tensor | None:
    """The labels of a batch that is a pair, or a dict with a familiar name; of several side by side only the step knows."""
    if isinstance(batch, Mapping):
        return _named(batch, _LABELS)
    if isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[1], Tensor):
        return batch[1]
    return None


def named_images(batch: Mapping[object, object]) -> Tensor | None:
    """What a dict has under a familiar name of images."""
    return _named(batch, _IMAGES)


def size_of(batch: object) -> int:
    """How many images a batch has: as many as labels, or else as the first tensor is long."""
    labels = labels_of(batch)
    first = next(_tensors(batch), None) if labels is None else labels
    return 1 if first is None or first.ndim == 0 else len(first)


def _named(batch: Mapping[object, object], names: tuple[str, ...]) -> Tensor | None:
    return next((value for name in names if isinstance(value := batch.get(name), Tensor)), None)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from (tensor for part in value.values() for tensor in _tensors(part))
    elif isinstance(value, tuple | list):
        yield from (tensor for part in value for tensor in _tensors(part))


def _described(batch: object) -> str:
    if isinstance(batch, Mapping):
        return f"a dict of {', '.join(map(repr, batch))}"
    if isinstance(batch, tuple | list):
        return f"a {type(batch).__name__} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    return f"a {type(batch).__name__}"
