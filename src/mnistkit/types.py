"""The nouns that several parts share: a batch, what a step returns, what a loader is, what counts as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

from mnistkit.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from torch import Tensor

__all__ = [
    "Batch",
    "EpochLoader",
    "ExportFormat",
    "ImageLike",
    "JsonValue",
    "Loader",
    "PathLike",
    "SingleImage",
    "SplitName",
    "StepOutput",
]

SplitName: TypeAlias = Literal["train", "validation", "test"]
PathLike: TypeAlias = str | os.PathLike[str]

#: What :meth:`mnistkit.Classifier.export` writes.
ExportFormat: TypeAlias = Literal["html", "onnx", "int8", "torch", "c"]

#: One image in a form that cannot be taken for several. (A folder's path is several, which no type can tell.)
SingleImage: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | PIL.Image.Image | Mapping[str, object]"
)
#: One image in any form that :meth:`mnistkit.Predictor.predict` takes.
ImageLike: TypeAlias = "SingleImage | np.ndarray | Tensor"

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
    """What a training or evaluation step returns; of a step that has nothing but a loss, the loss alone will do.

    Attributes:
        loss: scalar, the mean over the batch.
        logits: ``(N, classes)``, or ``None`` where no accuracy makes sense (a GAN).
        metrics: further scalars to average over the images of the epoch, by name.
        labels: those of the logits, where the batch is no pair or dict that has them: it is several batches side by side,
            or the logits are of a part of it. The figures are then means over these.

    Raises:
        ConfigError: for a metric with the name of a figure that there is already.
    """

    loss: Tensor
    logits: Tensor | None = None
    metrics: Mapping[str, Tensor | float] = field(default_factory=dict)
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        refuse_reserved(self.metrics)


class Loader(Protocol):
    """Anything that yields batches and knows how many there are in an epoch: a torch ``DataLoader`` does.

    A batch is ``(images, labels)``, or any nesting of tuples, lists, dicts and tensors that one's own
    ``training_step`` understands.
    """

    def __iter__(self) -> Iterator[object]: ...

    def __len__(self) -> int: ...


class EpochLoader(Protocol):
    """Like :class:`Loader`, but can begin an epoch anywhere: a run then resumes exactly inside one."""

    def batches(self, epoch: int, start: int) -> Iterator[object]:
        """The batches of an epoch from number ``start`` on, always the same ones for the same numbers."""
        ...

    def __len__(self) -> int: ...


def refuse_reserved(metrics: Mapping[str, object]) -> None:
    """Refuse metrics that would take the place of a run's own figures.

    Raises:
        ConfigError: with the name.
    """
    for name in ("loss", "accuracy"):
        if name in metrics:
            raise ConfigError(f"a metric is named {name!r}, which every run has of its own; give it another name")
