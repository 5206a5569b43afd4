"""Several data sets as one."""

from __future__ import annotations

import dataclasses

import torch

from mnistkit.data.datasets import DigitDataset
from mnistkit.errors import DataError

__all__ = ["concatenate"]

# What must be the same in all, and what to do where it is not.
_COMMON = {
    "split": "images that are kept apart for validation or test stay apart",
    "classes": "a label must mean the same in both",
    "preprocessing": "the second one's .prepared_as(first.preprocessing) makes it the same, if the size is",
}


def concatenate(first: DigitDataset, *others: DigitDataset) -> DigitDataset:
    """The images of several data sets, one set after the other, as one; of one split, so that none leaks into another.

    Raises:
        DataError: if they differ in split, classes or preprocessing.

    >>> from mnistkit.data import concatenate
    >>> from mnistkit.synthetic import draw_digits
    >>> concatenate(load_mnist().train, draw_digits(50))
    DigitDataset(mnist+strokes train: 55,050 images of 1x28x28, 10 classes)
    """
    for other in others:
        for name, advice in _COMMON.items():
            here, there = getattr(first, name), getattr(other, name)
            if here != there:
                raise DataError(f"cannot join {first!r} and {other!r}: {name} is {here!r} and {there!r}; {advice}")
    parts = (first, *others)
    return dataclasses.replace(
        first,
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        name="+".join(dict.fromkeys(part.name for part in parts)),
        source=", ".join(dict.fromkeys(part.source for part in parts)),
    )
