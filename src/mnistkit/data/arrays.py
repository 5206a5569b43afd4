"""One's own arrays as a data set holds them: uint8 images with their channels, numbered labels, mean and deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from mnistkit.errors import DataError, ImageError
from mnistkit.imaging import load_image, to_uint8
from mnistkit.imaging.pixels import as_array, tensor_values

__all__ = ["as_images", "as_labels", "mean_and_std"]

_MOST_CHANNELS = 4
# scikit-learn's digits as integers, and images of 4 bits: taken for bytes they would be almost black.
_FEW_GREYS = (15, 16)


def as_images(images: object, white: float | None = None) -> Tensor:
    """Images in any of the forms that :meth:`DigitDataset.from_arrays` takes, as uint8 ``(N, C, H, W)``.

    Raises:
        DataError: for another shape, type or range.
    """
    try:
        array = _with_channels(_values(images, "images"))
        if white is None and array.dtype.kind in "ui" and array.size and (high := int(array.max())) in _FEW_GREYS:
            raise DataError(
                f"got {array.dtype} images from {int(array.min())} to {high}: if {high} is white, as in scikit-learn's digits, "
                f"give white={high}; if they are dark bytes, white=255"
            )
        pixels = to_uint8(array, white)
    except ImageError as error:
        raise DataError(f"these images cannot be used: {error}") from error
    # torch takes no array that is read-only.
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"]))


def as_labels(labels: object, classes: Sequence[str]) -> Tensor:
    """Labels as int64 ``(N,)``: numbers from 0, names of classes, or a row for each image with a single 1.

    Raises:
        DataError: for anything else.
    """
    try:
        values = _values(labels, "labels")
    except ImageError as error:
        raise DataError(f"got labels that are not an array of numbers: {error}") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.shape[1] == len(classes) and values.dtype.kind in "buif":
        if not (((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all()):
            raise DataError(
                f"got labels of shape {values.shape} that are not one-hot; expected a class for each image: "
                "labels.argmax(axis=1) is the likeliest. Probabilities, and several classes an image, are for a TensorDataset, "
                "which Trainer.fit takes as it is"
            )
        values = values.argmax(axis=1)
    if values.ndim != 1:
        raise DataError(
            f"got labels of shape {values.shape}, expected (N,), or (N, {len(classes)}) with a 1 for the class"
        )
    if values.dtype.kind in "OUST" and values.size:
        values = _numbered([*values.tolist()], classes)
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    if values.dtype.kind not in "ui" and values.size:
        raise DataError(f"got {values.dtype} labels, expected integers from 0, or names of the classes")
    return torch.from_numpy(np.array(values, dtype=np.int64))


def mean_and_std(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of uint8 images over all pixels, in units of full white."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        # A histogram of the bytes is exact, and needs no float copy of the images.
        counts = sum(
            (torch.bincount(part[:, channel].flatten(), minlength=256) for part in torch.split(images, 4096)),
            torch.zeros(256, dtype=torch.int64),
        )
        weights = counts.to(torch.float64) / counts.sum()
        mean = float((weights * values).sum())
        means.append(mean)
        stds.append(float((weights * (values - mean) ** 2).sum().sqrt()))
    return tuple(means), tuple(stds)


def _values(given: object, what: str) -> np.ndarray:
    """As an array: of an array, a tensor, pandas' tables and columns, lists of numbers, of names, of pictures."""
    if isinstance(given, (list, tuple)):
        if what == "labels":
            return np.array(given) if all(isinstance(label, str) for label in given) else as_array(given)
        if any(isinstance(part, (PIL.Image.Image, np.ndarray, Tensor)) for part in given):
            return _stack([_one(part) for part in given])
        return as_array(given)
    if isinstance(given, (np.ndarray, Tensor)):
        return tensor_values(given)
    if callable(to_numpy := getattr(given, "to_numpy", None)):
        return np.asarray(to_numpy())
    raise DataError(f"got {what} in a {type(given).__name__}, expected an array, a tensor or a list")


def _one(picture: object) -> np.ndarray:
    if isinstance(picture, PIL.Image.Image):
        colour = len(picture.getbands()) > 2 or picture.mode in {"P", "PA"}
        return np.moveaxis(load_image(picture, channels=3), -1, 0) if colour else load_image(picture)
    return tensor_values(picture)


def _stack(pictures: list[np.ndarray]) -> np.ndarray:
    kinds = {(picture.shape, picture.dtype.str) for picture in pictures}
    if len(kinds) > 1:
        shapes = ", ".join(sorted(f"{kind} {shape}" for shape, kind in kinds)[:3])
        raise DataError(
            f"got images of {len(kinds)} kinds ({shapes}), expected one shape and type; from_folder scales pictures"
        )
    return np.stack(pictures)


def _with_channels(array: np.ndarray) -> np.ndarray:
    """``(N, C, H, W)`` of images in rows, grey ones, and those that have their channels first or last."""
    shape = array.shape
    if array.ndim == 2:
        side = math.isqrt(shape[1])
        if side * side != shape[1] or side < 2:
            before = max(shape[1] - 1, 0)
            label = (
                "if the first column is the label, give images[:, 1:]; else "
                if math.isqrt(before) ** 2 == before
                else ""
            )
            raise DataError(
                f"got images of shape {shape}: rows of {shape[1]} pixels are not square; {label}"
                "write images.reshape(-1, channels, height, width)"
            )
        return array.reshape(-1, 1, side, side)
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise DataError(
            f"got images of shape {shape}, expected (N, H, W), (N, C, H, W), (N, H, W, C) or rows (N, pixels)"
        )
    return np.moveaxis(array, -1, 1) if shape[1] > _MOST_CHANNELS >= shape[3] else array


def _numbered(names: list[object], classes: Sequence[str]) -> np.ndarray:
    if all(isinstance(name, int) for name in names):
        return np.array(names, dtype=np.int64)
    number = {name: label for label, name in enumerate(classes)}
    texts = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
    unknown = [name for name in texts if not isinstance(name, str) or name not in number]
    if unknown:
        found = ", ".join(sorted({repr(name) for name in unknown})[:5])
        raise DataError(
            f"got labels that are none of the classes {', '.join(map(repr, list(classes)[:12]))}: {found}; "
            "give the names as classes=, in the order of the numbers that they are to have"
        )
    return np.array([number[str(name)] for name in texts], dtype=np.int64)
