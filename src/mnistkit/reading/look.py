"""From what a user gives to what a model sees: one image or several, and the digit in each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mnistkit.data import Preprocessing
from mnistkit.imaging import WORK_SIDE, Stages, frame_image, frame_in_stages, image_files, load_image, to_numpy
from mnistkit.types import ImageLike

__all__ = ["Look", "images_in", "look_at"]


@dataclass
class Look:
    """An image on its way through a model.

    Attributes:
        frame: what the model sees, uint8 ``(C, H, W)``.
        pictures: how that came about, by name.
        share: of all the ink in the image, what the digit has.
        others: what else may be the digit, worked out when it is asked for.
    """

    frame: np.ndarray
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    share: float = 1.0
    others: Iterable[Stages] = ()

    @classmethod
    def at(cls, stages: Stages, others: Iterable[Stages] = ()) -> Look:
        """At a digit that was found in an image."""
        return cls(stages.frame[None], stages.pictures(), stages.share, others)

    @classmethod
    def blank(cls, preprocessing: Preprocessing) -> Look:
        """At an image in which there is nothing to see."""
        return cls(np.zeros((preprocessing.channels, *preprocessing.size), dtype=np.uint8))


def look_at(image: ImageLike, preprocessing: Preprocessing) -> Look:
    """Bring one image to a frame.

    Raises:
        ImageError: if it cannot be read.
        BlankImageError: if it has no ink.
    """
    size = preprocessing.size
    if preprocessing.framing == "mnist":
        # The ink may stand out by its colour alone.
        candidates = frame_in_stages(load_image(image, channels=3, side=WORK_SIDE), size=size)
        return Look.at(next(candidates), candidates)
    pixels = load_image(image, channels=3 if preprocessing.channels == 3 else 1, side=4 * max(size))
    frame = frame_image(pixels, size=size, framing=preprocessing.framing)
    return Look(frame, {"picture": pixels, "frame": np.moveaxis(frame, 0, -1).squeeze()})


def images_in(image: ImageLike | Sequence[ImageLike]) -> Sequence[ImageLike] | None:
    """The images of a list, a stack or a folder; ``None`` for a single one."""
    if isinstance(image, (str, os.PathLike)):
        # Path.is_dir raises for a name that no file can have.
        return image_files(image) if os.path.isdir(image) else None  # noqa: PTH112
    if isinstance(image, Sequence) and not isinstance(image, (bytes, bytearray, memoryview)):
        return image
    if isinstance(image, np.ndarray):
        # Three dimensions are a stack, unless the last has the size of channels.
        return list(image) if image.ndim == 4 or (image.ndim == 3 and image.shape[2] > 4) else None
    return list(to_numpy(image)) if getattr(image, "ndim", 0) == 4 and hasattr(image, "detach") else None
