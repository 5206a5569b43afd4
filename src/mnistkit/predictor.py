"""Predictor: a trained model, and pictures of any kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, overload

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from mnistkit.checkpoint import read_checkpoint
from mnistkit.data import Preprocessing
from mnistkit.device import resolve_device
from mnistkit.errors import CheckpointMismatchError, ConfigError, ImageError
from mnistkit.imaging import frame_image, load_image, to_numpy
from mnistkit.types import ImageLike, PathLike

__all__ = ["Prediction", "Predictor"]

_BATCH = 256


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image; prints as a line.

    Attributes:
        label: the class's number; for MNIST the digit.
        name: the class's name.
        confidence: the probability of that class.
        probabilities: of every class, by number.
        frame: uint8 ``(H, W)`` or ``(H, W, 3)``: what the model saw, before normalisation. When a prediction is wrong,
            look at this first.
    """

    label: int
    name: str
    confidence: float
    probabilities: tuple[float, ...]
    frame: np.ndarray = field(repr=False, compare=False)
    classes: tuple[str, ...] = field(repr=False)

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, best first."""
        best = sorted(range(len(self.probabilities)), key=lambda label: -self.probabilities[label])[:count]
        return [(self.classes[label], self.probabilities[label]) for label in best]

    def __str__(self) -> str:
        others = ", ".join(
            f"{name} {probability:.1%}" for name, probability in self.top(3)[1:] if probability >= 0.0005
        )
        return f"{self.name} ({self.confidence:.1%}{f'; then {others}' if others else ''})"


class Predictor:
    """Reads pictures with a trained model.

    Args:
        model: from normalised images to logits.
        preprocessing: how images are prepared; training's own.
        classes: a name for each label.
        device: see :func:`mnistkit.resolve_device`.

    Raises:
        ConfigError: for preprocessing that no picture can go through: MNIST's framing of colour, or 2 channels.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        classes: Sequence[str],
        *,
        device: str | torch.device = "auto",
    ) -> None:
        if preprocessing.channels not in ((1,) if preprocessing.framing == "mnist" else (1, 3)):
            raise ConfigError(
                f"pictures cannot be brought to {preprocessing.channels} channels with framing {preprocessing.framing!r}; "
                "'mnist' makes 1 (grey), 'resize' 1 or 3 (colour): give preprocessing= with the framing of training"
            )
        self.device = resolve_device(device)
        self.model = model.to(self.device).eval()
        self.preprocessing = preprocessing
        self.classes = tuple(classes)

    @classmethod
    def from_checkpoint(
        cls,
        path: PathLike,
        *,
        model: nn.Module | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = tuple("0123456789"),
        device: str | torch.device = "auto",
    ) -> Predictor:
        """A predictor from a file.

        Args:
            path: a model or training file of mnistkit's; or a plain ``state_dict`` of somebody else's, which needs
                ``model`` and ``preprocessing``.
            model: to load a file's weights into that does not say how to build one.
            preprocessing: how images were prepared in training, where the file does not say it:
                ``Preprocessing(mean=(0.1307,), std=(0.3081,))``, or mean 0 and std 1 after a bare ``ToTensor``.
            classes: a name for each label, where the file does not say it.
            device: see :func:`mnistkit.resolve_device`; a file moves freely between devices.

        Raises:
            CheckpointError: if the file cannot be read.
            CheckpointMismatchError: if the model does not fit, or something is neither in the file nor given.
            ConfigError: as for :class:`Predictor`.
        """
        content = read_checkpoint(path)
        prepare = preprocessing or content.preprocessing
        if prepare is None:
            raise CheckpointMismatchError(
                f"{path} does not say how images were prepared in training; give it, such as "
                "preprocessing=Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data, or mean=(0.0,), std=(1.0,) "
                "if pixels were only divided by 255"
            )
        return cls(content.build(model), prepare, content.classes or classes, device=device)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is also a sequence of them; the first overload wins
        self, image: str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image
    ) -> Prediction: ...
    @overload
    def predict(self, image: Sequence[ImageLike]) -> list[Prediction]: ...
    @overload
    def predict(self, image: np.ndarray | Tensor) -> Prediction | list[Prediction]: ...
    def predict(self, image: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """Read one image, or several at once.

        Args:
            image: a path, encoded bytes, a binary file object, a PIL image, an array or a tensor; see
                :func:`mnistkit.imaging.load_image`. Several: a list of these, an array ``(N, H, W)`` or
                ``(N, H, W, C)``, or a tensor ``(N, C, H, W)``.

        Returns:
            A prediction; for several images a list in their order.

        Raises:
            ImageError: if one cannot be read; its position in a list is said.
            BlankImageError: if one has no ink.
        """
        several = _as_list(image)
        if several is None:
            return self._predict([self._frame(image)])[0]  # type: ignore[arg-type]  # _as_list knows sequences
        frames = []
        for position, one in enumerate(several):
            try:
                frames.append(self._frame(one))
            except ImageError as error:
                raise type(error)(f"image {position} of {len(several)}: {error}") from error
        return self._predict(frames)

    def _frame(self, image: ImageLike) -> np.ndarray:
        preparing = self.preprocessing
        # The ink may stand out by its colour alone.
        colour = preparing.framing == "mnist" or preparing.channels == 3
        pixels = load_image(image, channels=3 if colour else 1)
        return frame_image(pixels, size=preparing.size, framing=preparing.framing)

    def _predict(self, frames: list[np.ndarray]) -> list[Prediction]:
        predictions = []
        for start in range(0, len(frames), _BATCH):
            seen = self.preprocessing.reshape(torch.from_numpy(np.stack(frames[start : start + _BATCH])))
            with torch.inference_mode():
                logits = self.model(self.preprocessing.normalize(seen.to(self.device)))
                probabilities = logits.double().softmax(1).cpu()
            for row, frame in zip(probabilities.tolist(), seen.permute(0, 2, 3, 1).numpy(), strict=True):
                label = max(range(len(row)), key=row.__getitem__)
                picture = frame[..., 0] if frame.shape[-1] == 1 else frame
                # A model may tell more classes than were named.
                names = (*self.classes, *map(str, range(len(self.classes), len(row))))
                predictions.append(Prediction(label, names[label], row[label], tuple(row), picture, names))
        return predictions


def _as_list(image: ImageLike | Sequence[ImageLike]) -> Sequence[ImageLike] | None:
    """The images of a list or a stack; ``None`` for a single one."""
    if isinstance(image, Sequence) and not isinstance(image, (str, bytes, bytearray, memoryview)):
        return image
    if isinstance(image, np.ndarray):
        # Three dimensions are a stack, unless the last has the size of channels.
        return list(image) if image.ndim == 4 or (image.ndim == 3 and image.shape[2] > 4) else None
    return list(to_numpy(image)) if getattr(image, "ndim", 0) == 4 and hasattr(image, "detach") else None
