"""What training refuses: test data, and data that does not fit the model."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from mnistkit.data import DigitDataset
from mnistkit.errors import DataError, SplitLeakError

__all__ = ["classification_loss", "datasets_in", "refuse_test_split"]

_NO_LABEL = -(2**62)


def datasets_in(data: object) -> Iterator[DigitDataset]:
    """The data sets inside a loader, a subset or a concatenation."""
    if isinstance(data, DigitDataset):
        yield data
        return
    # DataLoader, TensorLoader and Subset have a dataset, LoaderAdapter a loader, ConcatDataset several.
    for inner in (getattr(data, "dataset", None), getattr(data, "loader", None), *getattr(data, "datasets", ())):
        if inner is not None:
            yield from datasets_in(inner)


def refuse_test_split(data: object, purpose: str) -> None:
    """Refuse test images, also inside a loader, a subset or a concatenation.

    Raises:
        SplitLeakError: if there are any.
    """
    for dataset in datasets_in(data):
        if dataset.split == "test":
            raise SplitLeakError(
                f"{dataset!r} was given as {purpose} data. Choices made on test images make its accuracy worthless: "
                "train on `train`, choose on `validation` (train, validation, test = load_mnist()), and call "
                "trainer.evaluate(test) once, at the end"
            )


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits ``(N, classes)`` and int64 labels ``(N,)``.

    Raises:
        DataError: for labels of another type or outside the classes.
    """
    if logits.ndim != 2 or labels.is_floating_point() or labels.shape != logits.shape[:1]:
        raise DataError(
            f"got logits {tuple(logits.shape)} and {labels.dtype} labels {tuple(labels.shape)}, expected (N, classes) and "
            "integer (N,); for anything else give the Trainer a loss= of its own"
        )
    try:
        # No label is to be ignored, not even -100; on a GPU a wrong one fires torch's own assertion.
        return F.cross_entropy(logits, labels, ignore_index=_NO_LABEL)
    except IndexError as error:
        low, high = labels.aminmax()
        raise DataError(
            f"got labels from {low} to {high}, but the model has {logits.shape[1]} classes, 0 to "
            f"{logits.shape[1] - 1}; create it with classes={int(high) + 1}, or number the labels from 0"
        ) from error
