"""What is refused as data: test images, which are for the last measurement only, in whatever they come; and no data set."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from mnistkit._core.files import package_data
from mnistkit.data.datasets import DigitDataset
from mnistkit.data.idx import read_idx
from mnistkit.data.marks import BLANK, image_marks
from mnistkit.errors import ConfigError, SplitLeakError

__all__ = ["datasets_in", "overlap", "refuse_test_images", "remember_test_images", "require_dataset", "sample_marks"]

_ADVICE = (
    "Choices made on test images make its accuracy worthless: train on `train`, choose on `validation` "
    "(train, validation, test = load_mnist()), and call trainer.evaluate(test) once, at the end"
)
_remembered: dict[str, np.ndarray] = {}


def require_dataset(data: object) -> None:
    """Refuse what is no :class:`~mnistkit.DigitDataset`, as a program without a type checker may give it.

    Raises:
        ConfigError: with what was expected.
    """
    if not isinstance(data, DigitDataset):
        raise ConfigError(
            f"got a {type(data).__name__} as the data, expected a DigitDataset, such as one of train, validation, test = "
            "load_mnist(); DigitDataset.from_arrays() makes one of arrays, and Trainer.evaluate() takes any loader"
        )


def refuse_test_images(data: object, purpose: str) -> None:
    """Refuse test images: in a data set, a loader, a subset, a concatenation, or as arrays.

    A :class:`~mnistkit.DigitDataset` says of itself that it is for testing. Images are also known by what they show:
    the 10,000 of MNIST's test set, and those of every test set that :func:`~mnistkit.load_dataset` has loaded in this
    process; as bytes, as floats, normalised or flattened. What cannot be known: images that were cropped, scaled,
    turned, inverted or made black and white, and what a data set of another class, or a generator, is going to give.

    Args:
        data: what is to be trained on, or chosen with. It is looked at and not iterated, so that no random number is drawn.
        purpose: for the message, as in "training".

    Raises:
        SplitLeakError: if there are any.

    >>> from mnistkit.data import refuse_test_images
    >>> refuse_test_images(load_mnist().validation, "calibration")
    """
    for dataset in datasets_in(data):
        if dataset.split == "test":
            raise SplitLeakError(f"{dataset!r} was given as {purpose} data. {_ADVICE}")
    for marks in _marks_in(data):
        for name, known in (("mnist", _mnist_test_marks()), *_remembered.items()):
            found = int(np.isin(marks, known).sum())
            if found:
                raise SplitLeakError(
                    f"{found:,} of {len(marks):,} images given as {purpose} data are test images of {name}. {_ADVICE}"
                )


def remember_test_images(dataset: DigitDataset) -> None:
    """From now on :func:`refuse_test_images` knows the images of this test set too."""
    _remembered[dataset.name] = np.union1d(_remembered.get(dataset.name, dataset.marks[:0]), _seen(dataset))


def datasets_in(data: object) -> Iterator[DigitDataset]:
    """The data sets inside a loader, a subset or a concatenation."""
    if isinstance(data, DigitDataset):
        yield data
        return
    for inner in _inside(data):
        yield from datasets_in(inner)


def sample_marks(data: DigitDataset, count: int = 1000) -> tuple[int, ...]:
    """The ``count`` smallest marks of a data set's images: a fair sample of them, small enough for a model's card."""
    return tuple(np.unique(_seen(data))[:count].tolist())


def overlap(data: DigitDataset, marks: Sequence[int]) -> float:
    """What share of a data set's images was in the data set that :func:`sample_marks` took these marks of.

    It is estimated from the images whose marks are no larger than the sample's largest. With a sample of 1,000 out of 55,000 that
    is one image in 55: of 5,000 images about 90, so that all of them in both gives 1, and 0 says that hardly more
    than 3 % are (95 % sure). Images that were cropped, scaled or drawn on since are not known again.

    Returns:
        From 0 to 1; 0 too if there is nothing to compare.

    >>> from mnistkit.data import overlap, sample_marks
    >>> train, validation, _ = load_mnist()
    >>> trained_on = sample_marks(train)
    >>> overlap(train[:5000], trained_on), overlap(validation, trained_on)
    (1.0, 0.0)
    """
    known = np.array(marks, dtype=np.uint64)
    mine = _seen(data)
    comparable = mine[mine <= known.max(initial=0)]
    return float(np.isin(comparable, known).mean()) if comparable.size else 0.0


def _seen(dataset: DigitDataset) -> np.ndarray:
    return _without_blanks(dataset.marks)


def _without_blanks(marks: np.ndarray) -> np.ndarray:
    seen: np.ndarray = marks[marks != BLANK]
    return seen


def _inside(data: object) -> Iterator[object]:
    # DataLoader, TensorLoader and Subset have a dataset, LoaderAdapter a loader, ConcatDataset and CombinedLoader several.
    yield from (getattr(data, name) for name in ("dataset", "loader") if getattr(data, name, None) is not None)
    for name in ("datasets", "loaders"):
        if isinstance(several := getattr(data, name, None), (list, tuple)):
            yield from several


def _marks_in(data: object) -> Iterator[np.ndarray]:
    """The marks of all images that can be seen without asking for them one by one."""
    if isinstance(data, DigitDataset):
        yield data.marks
    elif isinstance(data, (Tensor, np.ndarray)):
        if _is_images(data):
            yield image_marks(data)
    elif isinstance(data, (tuple, list)):
        # Images beside their labels, or batches of them.
        for part in data:
            if isinstance(part, (Tensor, np.ndarray, tuple, list, DigitDataset)):
                yield from _marks_in(part)
    elif isinstance(data, Subset) and not hasattr(data.dataset, "datasets"):
        for marks in _marks_in(data.dataset):
            yield marks[list(data.indices)]
    else:
        # torchvision's data sets have data, a TensorDataset tensors.
        for held in (getattr(data, "data", None), getattr(data, "tensors", None), *_inside(data)):
            yield from _marks_in(held) if held is not None else ()


def _is_images(array: Tensor | np.ndarray) -> bool:
    if isinstance(array, np.ndarray):
        return array.ndim >= 2 and array.dtype.kind in "buif"
    unreadable = array.is_nested or array.is_quantized or array.is_meta or array.layout != torch.strided
    return not unreadable and array.ndim >= 2 and not array.is_complex()


@functools.cache
def _mnist_test_marks() -> np.ndarray:
    file = package_data("data", "_mnist", "t10k-images-idx3-ubyte.gz")
    return _without_blanks(image_marks(read_idx(file, ndim=3)))
