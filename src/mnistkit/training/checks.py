"""What training refuses: labels that do not fit the model."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import DataError

__all__ = ["classification_loss"]

_NO_LABEL = -(2**62)


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
