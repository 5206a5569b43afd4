"""DigitDataset: images resident in memory as uint8, with their labels and where they come from."""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args, overload

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mnistkit.data.arrays import as_images, as_labels, mean_and_std
from mnistkit.data.labels import draw, renumber, stratified_counts
from mnistkit.data.marks import image_marks
from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.imaging import Framing, Preprocessing
from mnistkit.types import SplitName

__all__ = ["DIGITS", "DigitDataset"]

DIGITS = tuple("0123456789")


@dataclass(frozen=True, eq=False, repr=False)
class DigitDataset(Dataset[tuple[Tensor, int]]):
    """Labelled images, all in memory.

    It is a torch ``Dataset`` of ``(image, label)``: float32 ``(C, H, W)``, normalised, and an int. A slice, an index
    tensor or a mask gives a smaller data set; every method returns a new one and leaves this one as it is.

    Attributes:
        images: uint8 ``(N, C, H, W)``, 0 is background.
        labels: int64 ``(N,)``, from 0.
        classes: a name for each label.
        preprocessing: mean, deviation and geometry; it goes into the checkpoint of a model trained on this.
        split: ``"train"``, ``"validation"`` or ``"test"``; training refuses the last.
        name: of the data set.
        source: where the images come from.

    >>> train, validation, test = load_mnist()
    >>> test
    DigitDataset(mnist test: 10,000 images of 1x28x28, 10 classes)
    >>> image, label = test[0]
    >>> image.shape, label
    (torch.Size([1, 28, 28]), 7)
    >>> test.only(3, 8).take_per_class(50)
    DigitDataset(mnist test: 100 images of 1x28x28, 10 classes)
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    split: SplitName
    name: str
    source: str = "memory"

    def __post_init__(self) -> None:
        if self.split not in get_args(SplitName):
            raise ConfigError(unknown_name("split", self.split, get_args(SplitName)))
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(
                f"got {self.images.dtype} images of shape {tuple(self.images.shape)}, expected uint8 (N, C, H, W) with "
                "0 to 255; DigitDataset.from_arrays() takes other forms"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"got {self.labels.dtype} labels of shape {tuple(self.labels.shape)} for {len(self.images)} images, "
                f"expected int64 ({len(self.images)},): one class an image. Labels of another form, such as probabilities, are "
                "trained on as torch.utils.data.TensorDataset(data.preprocessing.normalize(data.images), labels)"
            )
        shape = self.preprocessing.frame_shape
        if self.images.shape[1:] != shape:
            raise DataError(f"got images of shape {tuple(self.images.shape[1:])}, but preprocessing for {shape}")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"labels from {int(self.labels.min())} to {int(self.labels.max())}, expected 0 to "
                f"{len(self.classes) - 1} for {len(self.classes)} classes"
            )

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray | Tensor | Sequence[object],
        labels: np.ndarray | Tensor | Sequence[int] | Sequence[str],
        *,
        white: float | None = None,
        classes: Sequence[str] = DIGITS,
        split: SplitName = "train",
        name: str = "arrays",
        source: str = "memory",
        framing: Framing = "mnist",
        mean_std: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
    ) -> DigitDataset:
        """Make a data set of one's own arrays.

        Args:
            images: ``(N, H, W)``, ``(N, C, H, W)``, ``(N, H, W, C)``, rows ``(N, H * W)`` of square images, a list of equally
                large PIL images or arrays, or a table of pandas; 0 is background.
            labels: ``(N,)`` integers from 0, names out of ``classes``, or one-hot rows ``(N, classes)``.
            white: the number that stands for white. By default 255, or 1 for floats to 1, for booleans and for integers
                that are all 0 or 1; for larger integers the largest number of 10, 12, 14 or 16 bits.
            classes: a name for each label.
            split: what the images are for.
            name: of the data set.
            source: where the images come from.
            framing: how a predictor should bring a picture to such a frame.
            mean_std: of each channel; measured on these images if not given. Give a validation or test set those of
                its training set.

        Raises:
            DataError: for another shape, type or range, or labels that do not fit.
        """
        pixels = as_images(images, white)
        if not pixels.numel():
            raise DataError(f"got images of shape {tuple(pixels.shape)}: there are none")
        targets = as_labels(labels, classes)
        mean, std = mean_std or mean_and_std(pixels)
        height, width = pixels.shape[-2:]
        return cls(
            pixels,
            targets,
            tuple(classes),
            Preprocessing(mean, std, (height, width), framing),
            split,
            name,
            source,
        )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray | Tensor) -> DigitDataset: ...
    def __getitem__(
        self, index: int | slice | Sequence[int] | np.ndarray | Tensor
    ) -> tuple[Tensor, int] | DigitDataset:
        if isinstance(index, (np.ndarray, Tensor)) and index.ndim == 0:
            index = int(index)
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"index {index} is out of range for {len(self)} images")
            return self.preprocessing.normalize(self.images[index : index + 1 or None])[0], int(self.labels[index])
        if isinstance(index, slice):
            return dataclasses.replace(self, images=self.images[index], labels=self.labels[index])
        # NumPy's rules: positions may be negative, a mask must fit, and what is out of range is refused.
        chosen = index.cpu().numpy() if isinstance(index, Tensor) else index
        positions = np.arange(len(self))[chosen if isinstance(chosen, np.ndarray) else list(chosen)]
        if positions.ndim != 1:
            raise IndexError(f"got positions of shape {positions.shape}, expected a flat list of them")
        at = torch.from_numpy(positions)
        return dataclasses.replace(self, images=self.images.index_select(0, at), labels=self.labels.index_select(0, at))

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.preprocessing.input_shape))
        return f"DigitDataset({self.name} {self.split}: {len(self):,} images of {shape}, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        from mnistkit.data.shown import as_panel

        return as_panel(self)

    @property
    def mean(self) -> tuple[float, ...]:
        """The training images' mean of each channel, 0 to 1."""
        return self.preprocessing.mean

    @property
    def std(self) -> tuple[float, ...]:
        """The training images' deviation of each channel, 0 to 1."""
        return self.preprocessing.std

    @functools.cached_property
    def fingerprint(self) -> str:
        """A checksum of images and labels; a resumed run must find the data that it began with."""
        images = self.images.cpu().contiguous().numpy()
        return f"{zlib.crc32(self.labels.cpu().numpy().tobytes(), zlib.crc32(images.data)):08x}"

    @functools.cached_property
    def marks(self) -> np.ndarray:
        """A number for each image by which it is known again, uint64 ``(N,)``; 0 for blank images."""
        return image_marks(self.images)

    def only(self, *labels: int) -> DigitDataset:
        """The images with one of these labels; the labels keep their numbers."""
        for label in labels:
            if not 0 <= label < len(self.classes):
                raise ConfigError(f"label {label} is not one of 0 to {len(self.classes) - 1}")
        return self[torch.isin(self.labels, torch.tensor(labels))]

    def with_classes(self, classes: Sequence[str]) -> DigitDataset:
        """The same images with their labels numbered as in ``classes``, by name.

        So data whose folders lack a digit, or have them in another order, fit a model: ``data.with_classes(model_classes)``.

        Raises:
            DataError: if a class that occurs here is not among them, or one of them comes twice.

        >>> from mnistkit.data import DigitDataset
        >>> pictures = DigitDataset.from_arrays(torch.rand(2, 28, 28), ["9", "2"], classes=["9", "2"])
        >>> pictures.with_classes("0123456789").labels
        tensor([9, 2])
        """
        names = tuple(classes)
        if names == self.classes:
            return self
        return dataclasses.replace(self, labels=renumber(self.labels, self.classes, names, of=self), classes=names)

    def take_per_class(self, count: int, seed: int = 0) -> DigitDataset:
        """``count`` images of each class that occurs here, drawn at random but in their order.

        Raises:
            ConfigError: for a negative count.
            DataError: if a class has fewer.
        """
        if count < 0:
            raise ConfigError(f"count is {count}, expected at least 0")
        counts = {int(label): count for label in torch.unique(self.labels)}
        return self[draw(self.labels, counts, self.classes, seed)]

    def stratified_split(self, count: int, seed: int = 0) -> tuple[DigitDataset, DigitDataset]:
        """Cut off ``count`` images in which every class has its share; returns (the rest, the part cut off).

        Raises:
            ConfigError: if ``count`` is no whole number.
            DataError: unless ``0 <= count < len(self)``.
        """
        if not isinstance(count, int):
            raise ConfigError(f"got {count!r} images to cut off, expected a whole number")
        if not 0 <= count < max(len(self), 1):
            raise DataError(
                f"cannot take {count:,} images out of {len(self):,} and leave any; give a smaller number "
                "(validation= where a data set is loaded)"
            )
        part = draw(self.labels, stratified_counts(self.labels, len(self.classes), count), self.classes, seed)
        rest = torch.ones(len(self), dtype=torch.bool)
        rest[part] = False
        return self[rest], self[part]

    def crop(self, side: int) -> DigitDataset:
        """The middle ``side`` x ``side`` pixels; 20 keeps most of MNIST's ink."""
        return self._reshape(("crop", side))

    def resize(self, side: int) -> DigitDataset:
        """Scaled to ``side`` x ``side`` pixels."""
        return self._reshape(("resize", side))

    def flatten(self) -> DigitDataset:
        """The same images, given to the model as ``(N, C*H*W)``."""
        return dataclasses.replace(self, preprocessing=dataclasses.replace(self.preprocessing, flat=True))

    def normalized(self, mean: float | tuple[float, ...], std: float | tuple[float, ...]) -> DigitDataset:
        """The same images, given to the model as ``(pixel - mean) / std`` with pixels from 0 to 1.

        Args:
            mean: one number for all channels, or one for each; 0 with ``std=1`` leaves the pixels as they are.
            std: likewise.

        Raises:
            ConfigError: for the wrong number of them, or a ``std`` that is not positive.
        """
        channels = self.preprocessing.channels
        means = (mean,) * channels if isinstance(mean, (int, float)) else mean
        stds = (std,) * channels if isinstance(std, (int, float)) else std
        if len(means) != channels:
            raise ConfigError(f"got {len(means)} means for {channels} channels")
        return dataclasses.replace(self, preprocessing=dataclasses.replace(self.preprocessing, mean=means, std=stds))

    def prepared_as(self, preprocessing: Preprocessing) -> DigitDataset:
        """The same images as a model trained with ``preprocessing`` expects them.

        Raises:
            ConfigError: if these images were cropped or resized already, in another way than the model's.
        """
        if self.preprocessing == preprocessing:
            return self
        if self.preprocessing.geometry == preprocessing.geometry:
            return dataclasses.replace(self, preprocessing=preprocessing)
        if self.preprocessing.geometry:
            raise ConfigError(f"{self!r} is cropped or resized already; start from the images as they were loaded")
        return dataclasses.replace(self, images=_reshaped(self.images, preprocessing), preprocessing=preprocessing)

    def _reshape(self, *steps: tuple[Literal["crop", "resize"], int]) -> DigitDataset:
        here = dataclasses.replace(self.preprocessing, geometry=steps)
        longer = dataclasses.replace(self.preprocessing, geometry=(*self.preprocessing.geometry, *steps))
        return dataclasses.replace(self, images=_reshaped(self.images, here), preprocessing=longer)


def _reshaped(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    return torch.from_numpy(preprocessing.reshape(images.numpy(force=True))).to(images.device)
