"""What happens to an image before the model sees it; it travels with the weights.

The same code prepares NumPy arrays and tensors, without torch: what is trained on and what is read later cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, cast, get_args

import numpy as np

from mnistkit._core.json import to_lists, to_tuples
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Framing", "Preprocessing"]

#: How an image becomes a frame: as MNIST's makers did it (ink fitted into a box, centred by mass), or resized whole.
Framing: TypeAlias = Literal["mnist", "resize"]

_Pixels = TypeVar("_Pixels", np.ndarray, "Tensor")
# So many images are resized at once: as float32 they take a few times their bytes.
_AT_ONCE = 4096


# Far above what a classifier of small images sees; what is larger comes from a damaged file, and would take gigabytes.
_LARGEST_SIDE = 1024
_MOST_STEPS = 64


@dataclass(frozen=True)
class Preprocessing:
    """From a uint8 frame to what the model sees.

    Attributes:
        mean: of each channel, in units of full white (0 to 1).
        std: of each channel, likewise.
        size: height and width of the frame that pictures are brought to.
        framing: how they are brought to it.
        geometry: then, in order: ``("crop", n)``, the middle n x n, and ``("resize", n)``.
        flat: whether the model gets ``(N, C*H*W)`` rather than ``(N, C, H, W)``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] = (28, 28)
    framing: Framing = "mnist"
    geometry: tuple[tuple[Literal["crop", "resize"], int], ...] = ()
    flat: bool = False

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std), ("size", self.size), ("geometry", self.geometry)):
            if not isinstance(values, tuple) or len(values) > _MOST_STEPS:
                raise ConfigError(f"{name} is {values!r:.80}, expected a tuple of at most {_MOST_STEPS}")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if not all(isinstance(n, (int, float)) for n in numbers):
                raise ConfigError(f"{name} is {numbers!r:.80}, expected a number for each channel")
        if len(self.size) != 2 or not all(map(_is_side, self.size)):
            raise ConfigError(f"size is {self.size!r:.80}, expected height and width, from 1 to {_LARGEST_SIDE} pixels")
        for step in self.geometry:
            if not (isinstance(step, tuple) and len(step) == 2 and step[0] in ("crop", "resize") and _is_side(step[1])):
                raise ConfigError(
                    f'geometry has {step!r:.80}, expected ("crop", n) or ("resize", n) with n from 1 to {_LARGEST_SIDE}'
                )
        if not isinstance(self.flat, bool):
            raise ConfigError(f"flat is {self.flat!r:.80}, expected True or False")
        if len(self.mean) != len(self.std) or not self.mean:
            raise ConfigError(f"mean {self.mean} and std {self.std} need one number for each channel")
        if not all(map(math.isfinite, self.mean)):
            raise ConfigError(f"mean is {self.mean}, expected finite numbers")
        if not all(0 < std < math.inf for std in self.std):
            raise ConfigError(f"std {self.std} must be positive: images that are all alike cannot be normalised")
        if self.framing not in get_args(Framing):
            raise ConfigError(unknown_name("framing", self.framing, get_args(Framing)))

    @property
    def channels(self) -> int:
        """How many channels the images have."""
        return len(self.mean)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """The shape ``(C, H, W)`` of one image, cropped and resized."""
        height, width = self.size
        for _, side in self.geometry:
            height = width = side
        return self.channels, height, width

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one image as the model sees it, without the batch."""
        return (math.prod(self.frame_shape),) if self.flat else self.frame_shape

    def reshape(self, frames: np.ndarray) -> np.ndarray:
        """Crop and resize uint8 frames ``(N, C, H, W)`` as ``geometry`` says."""
        for kind, side in self.geometry:
            frames = _crop(frames, side) if kind == "crop" else _resize(frames, side)
        return frames

    def normalize(self, images: _Pixels) -> _Pixels:
        """Uint8 images ``(N, C, H, W)`` as float32 of mean 0 and deviation 1 over the training data."""
        floats = images.astype(np.float32) if isinstance(images, np.ndarray) else images.float()
        return self._standardize(floats, 255.0)

    def normalize_unit(self, images: _Pixels) -> _Pixels:
        """The same for float32 images in ``[0, 1]``, in place."""
        return self._standardize(images, 1.0)

    def _standardize(self, images: _Pixels, white: float) -> _Pixels:
        images *= self._per_channel([1 / (white * std) for std in self.std], images)
        images += self._per_channel([-mean / std for mean, std in zip(self.mean, self.std, strict=True)], images)
        return images.reshape(len(images), -1) if self.flat else images

    def _per_channel(self, values: list[float], like: _Pixels) -> float | _Pixels:
        """One number, or one for each channel of such images."""
        if self.channels == 1:
            return values[0]
        numbers = np.array(values, like.dtype) if isinstance(like, np.ndarray) else like.new_tensor(values)
        return numbers.reshape(-1, 1, 1)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {name: cast("JsonValue", to_lists(value)) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Preprocessing:
        """Read what :meth:`to_json` wrote."""
        return cls(**{name: to_tuples(value) for name, value in data.items()})  # type: ignore[arg-type]  # checked by __post_init__


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_SIDE


def _crop(images: np.ndarray, side: int) -> np.ndarray:
    height, width = images.shape[-2:]
    if side > min(height, width):
        raise ConfigError(f"cannot crop {height}x{width} images to {side}x{side}")
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(images[..., top : top + side, left : left + side])


def _resize(images: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (_weights(length, side) for length in images.shape[-2:])
    parts = np.array_split(images, range(_AT_ONCE, len(images), _AT_ONCE))
    return np.concatenate([np.rint(rows @ part.astype(np.float32) @ columns.T).astype(np.uint8) for part in parts])


def _weights(before: int, after: int) -> np.ndarray:
    """What each of the pixels before gives to each of those after, in one direction: bilinear, with antialiasing."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    distances = np.abs(np.arange(before) + 0.5 - centres[:, None])
    weights = np.clip(1 - distances / max(scale, 1.0), 0, None)
    shares: np.ndarray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return shares
