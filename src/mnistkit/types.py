"""The nouns that several parts share: a batch, what a step returns, what a loader is, what counts as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from torch import Tensor

__all__ = ["Batch", "ImageLike", "JsonValue", "Loader", "PathLike", "SplitName", "StepOutput"]

SplitName: TypeAlias = Literal["train", "validation", "test"]
PathLike: TypeAlias = str | os.PathLike[str]

#: One image in any form that :meth:`mnistkit.Predictor.predict` takes.
ImageLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | PIL.Image.Image | np.ndarray | Tensor"
    " | Mapping[str, object]"
)

#: What JSON can hold.
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


class Batch(NamedTuple):
    """Images and their labels.

    Attributes:
        images: float32 ``(N, C, H, W)`` (or ``(N, F)`` when flattened), normalised.
        labels: int64 ``(N,)``.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a training or evaluation step returns.

    Attributes:
        loss: scalar, the mean over the batch.
        logits: ``(N, classes)``, or ``None`` where no accuracy makes sense (a GAN).
        metrics: further scalars to average over the epoch, by name.
    """

    loss: Tensor
    logits: Tensor | None = None
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


class Loader(Protocol):
    """Anything that yields ``(images, labels)`` and knows how many batches that makes: a torch ``DataLoader`` does."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...

    def __len__(self) -> int: ...
