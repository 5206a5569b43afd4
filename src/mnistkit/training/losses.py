"""The loss of a step: cross-entropy unless another is given, with errors that say what did not fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit.errors import ConfigError, DataError
from mnistkit.metrics import are_probabilities

__all__ = ["Loss", "classification_loss", "compute_loss", "is_cross_entropy", "place_loss", "require_logits"]

#: From logits and labels to a scalar, the mean over the batch.
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_NO_LABEL = -(2**62)
# Activations that no logits come from, by what torch calls the way back through them.
_NOT_LAST = {"SigmoidBackward0": "sigmoid", "SoftmaxBackward0": "softmax"}


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits ``(N, classes)`` and int64 labels ``(N,)``, or probabilities ``(N, classes)``.

    Raises:
        DataError: for labels of another form or outside the classes.
    """
    if logits.ndim == 2 and labels.shape == logits.shape and (labels.is_meta or are_probabilities(labels)):
        return F.cross_entropy(logits, labels.to(logits.dtype))
    if logits.ndim != 2 or labels.is_floating_point() or labels.shape != logits.shape[:1]:
        raise DataError(
            f"got logits {tuple(logits.shape)} and {labels.dtype} labels {tuple(labels.shape)}, expected (N, classes) and "
            "integer (N,), or (N, classes) of numbers from 0 whose rows add up to 1; for anything else give the Trainer a loss= "
            "of its own: nn.BCEWithLogitsLoss() where an image may have several classes, nn.MSELoss() for numbers, with labels "
            "of the same shape as the model's output"
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


def compute_loss(loss: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    """A loss, with a clear error where one of torch's own does not take such labels.

    Raises:
        DataError: if it does not.
    """
    if not isinstance(loss, nn.Module):
        return loss(logits, labels)
    # What torch would broadcast, with a warning, is never what was meant.
    of_one_shape = not isinstance(loss, nn.MSELoss | nn.L1Loss | nn.SmoothL1Loss | nn.HuberLoss | nn.BCEWithLogitsLoss)
    try:
        if of_one_shape or logits.shape == labels.shape:
            value: Tensor = loss(logits, labels)
            return value
        reason = "they differ in shape"
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error)
    raise DataError(
        f"{type(loss).__name__} cannot take outputs {tuple(logits.shape)} with {labels.dtype} labels {tuple(labels.shape)}: "
        f"{reason}. For one class an image leave loss= out, which is cross-entropy; else give labels that this loss takes"
    )


def is_cross_entropy(loss: Loss) -> bool:
    """Whether a loss is cross-entropy, with whatever settings: its labels are classes, or probabilities of classes."""
    function = loss.func if isinstance(loss, functools.partial) else loss
    return function in (classification_loss, F.cross_entropy) or isinstance(loss, nn.CrossEntropyLoss)


def require_logits(outputs: Tensor, loss: Loss, classes: Sequence[str] | None) -> None:
    """Refuse a model that cross-entropy would train to no good: one that ends in softmax or sigmoid, or has other classes.

    Args:
        outputs: of a batch; whether they are probabilities is not concluded from a single image.
        loss: what is computed of them; only of cross-entropy it is known what it expects.
        classes: those of the training data, where it says them.

    Raises:
        DataError: if the outputs of every image are probabilities, if sigmoid or softmax is the last that was done to them, or
            if there is not one for each class of the data.
    """
    if not is_cross_entropy(loss) or outputs.ndim != 2:
        return
    if min(outputs.shape) > 1 and not outputs.is_meta and are_probabilities(outputs):
        raise DataError(
            "the model's outputs add up to 1 for every image: it ends in softmax, and the loss expects logits, to which it "
            "applies softmax itself. Leave the softmax out; predictions apply it too. If probabilities are wanted, give the "
            "Trainer a loss= for them, such as lambda p, y: F.nll_loss(p.log(), y)"
        )
    last = None if outputs.grad_fn is None else _NOT_LAST.get(outputs.grad_fn.name())
    if last is not None:
        raise DataError(
            f"the model ends in {last}, so that its outputs are from 0 to 1, and the loss expects logits, to which it applies "
            f"softmax itself: with ten classes it could not be surer than 23 %. Leave the {last} out; where an image may have "
            "several classes, leave it out too, and give the Trainer loss=nn.BCEWithLogitsLoss()"
        )
    if classes is not None and outputs.shape[1] > len(classes):
        raise DataError(
            f"the model has {outputs.shape[1]} outputs, the data {len(classes)} classes, {', '.join(map(repr, classes))}: "
            f"create the model with classes={len(classes)}, or number the labels as the model's classes are, such as "
            "data.with_classes('0123456789')"
        )


def place_loss(loss: Loss, device: torch.device) -> Loss:
    """A loss with its weights on a device: those of a module, or of ``functools.partial(F.cross_entropy, weight=...)``."""
    if isinstance(loss, nn.Module):
        return loss.to(device)
    if isinstance(loss, functools.partial):
        arguments = {
            name: value.to(device) if isinstance(value, Tensor) else value for name, value in loss.keywords.items()
        }
        return functools.partial(loss.func, *loss.args, **arguments)
    return loss


def require_loss(loss: object) -> None:
    """Refuse what is no loss.

    Raises:
        ConfigError: for a class that was not made, or what cannot be called.
    """
    if isinstance(loss, type):
        raise ConfigError(f"loss is the class {loss.__name__}: make one, {loss.__name__}()")
    if not callable(loss):
        raise ConfigError(f"loss is {loss!r}, expected a function of logits and labels, such as nn.CrossEntropyLoss()")
