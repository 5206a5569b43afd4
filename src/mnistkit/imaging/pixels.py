"""What an array is: one picture or several, and which number is white, for training and for prediction alike.

==============================================  =================================================================
numbers                                         white
==============================================  =================================================================
booleans; integers of which all are 0 or 1 (*)  1
integers to 255                                 255
larger integers                                 all ones in the fewest of 10, 12, 14 and 16 bits that hold the largest
floats from 0 to 1                              1
floats from 0 to more than 16 and at most 255   255
==============================================  =================================================================

(*) In a grey picture too: a PNG of 0 and 1 is read as the array that it was made from. Not in a JPEG, where they are noise.

All else is refused: what is negative was normalised, and white may be anything in floats to 16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from mnistkit.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["as_array", "holds_numbers", "pictures_in", "tensor_values", "to_numpy", "to_uint8", "white_of_integers"]

_DEPTHS = (255, 1023, 4095, 16383, 65535)
# scikit-learn's digits are floats from 0 to 16.
_FEWEST_GREYS = 16
_AT_ONCE = 2**20
_MOST_CHANNELS = 4
_MNIST_SIZE = (28, 28)
# The sides of data sets' images, LeNet's padded ones and SVHN's among them: of a tensor of so small ones a few may be colours.
_SMALL = 32
# Rows of MNIST's and CIFAR's size in colour.
_COLOUR_ROWS = frozenset({3 * 28 * 28, 3 * 32 * 32})
# A picture of digits is not so much longer than wide.
_LONGEST = 8


def as_array(numbers: Sequence[object]) -> np.ndarray:
    """Lists of numbers, as JSON has them, as an array.

    Raises:
        ImageError: if they are not of one length, or hold something else.
    """
    try:
        array = np.array(numbers)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ImageError(f"the list is not an array of pixels: {error}") from error
    if array.dtype.kind not in "buif":
        raise ImageError(f"the list holds {array.dtype}, expected numbers, or pictures")
    return array


def holds_numbers(values: object) -> bool:
    """Whether lists inside lists end in a number."""
    for _ in range(4):
        if isinstance(values, (list, tuple)) and values:
            values = values[0]
    return isinstance(values, (int, float, np.number))


def to_numpy(image: np.ndarray | Tensor | object) -> np.ndarray:
    """An array as it is; a tensor's copy on the CPU, with the channels last.

    Raises:
        ImageError: for a tensor that is sparse, quantised, nested or without values, and for an array with masked pixels.
    """
    array = tensor_values(image)
    return array if isinstance(image, np.ndarray) or array.ndim < 3 else np.moveaxis(array, -3, -1)


def tensor_values(image: np.ndarray | Tensor | object) -> np.ndarray:
    """The same, with the channels where they are.

    Raises:
        ImageError: likewise.
    """
    if isinstance(image, np.ndarray):
        if np.ma.is_masked(image):
            raise ImageError("the array has masked pixels, which have no value; give array.filled(0)")
        # Masked arrays and matrices calculate otherwise.
        return np.asarray(image)
    try:
        tensor = cast("Tensor", image).detach().cpu()
        # numpy has no bfloat16.
        array: np.ndarray = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except (AttributeError, TypeError, RuntimeError) as error:
        raise ImageError(f"this {type(image).__name__} has no pixels to read: {_first_line(error)}") from error
    return array


def pictures_in(
    image: np.ndarray | Tensor | object, *, size: tuple[int, int], channels: int
) -> list[np.ndarray] | None:
    """The pictures of a stack, of which white is the same number in all; ``None`` for a single picture.

    Args:
        image: an array or a tensor.
        size: height and width of the frames that a model was trained on.
        channels: that it was trained on.

    Raises:
        ImageError: if it may be either; it says what to write instead.
    """
    if isinstance(image, np.ndarray):
        return _pictures_of(to_numpy(image), size)
    return _pictures_of_tensor(cast("np.ndarray", image), size, channels)


def to_uint8(array: np.ndarray, white: float | None = None) -> np.ndarray:
    """Numbers as bytes, 0 for black and 255 for white.

    Args:
        array: real numbers of any shape.
        white: the number that stands for white; by default what the table above says.

    Returns:
        uint8, in C order; the array itself if nothing is to be done.

    Raises:
        ImageError: for other numbers.
    """
    if array.dtype.kind not in "buif":
        raise ImageError(f"got {array.dtype} pixels, expected real numbers: uint8, or floats from 0 to 1")
    if not array.size:
        return np.zeros(array.shape, np.uint8)
    low, high = float(array.min()), float(array.max())
    white = _white(array.dtype, low, high) if white is None else white
    if not (low >= 0 and high <= white and 0 < white < float("inf")):
        raise ImageError(f"got {array.dtype} pixels from {low:g} to {high:g}, expected 0 to {white:g}, which is white")
    if white == 255 and array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    flat = array.reshape(-1)
    # Part by part: in between the numbers take up to eight times the room.
    parts = [_scaled(flat[start : start + _AT_ONCE], white) for start in range(0, flat.size, _AT_ONCE)]
    return np.concatenate(parts).reshape(array.shape)


def white_of_integers(high: float) -> int:
    """What is white in integers of which the largest is this, as the table above says."""
    return 1 if high == 1 else next((white for white in _DEPTHS if high <= white), _DEPTHS[-1])


def _pictures_of(array: np.ndarray, size: tuple[int, int]) -> list[np.ndarray] | None:
    if array.ndim == 4 and array.shape[1] <= _MOST_CHANNELS < array.shape[3]:
        return list(to_uint8(np.moveaxis(array, 1, -1)))
    # Three dimensions are a stack, unless the last has the size of channels.
    if array.ndim == 4 or (array.ndim == 3 and array.shape[2] > _MOST_CHANNELS):
        return list(to_uint8(array))
    if array.ndim == 2:
        _refuse_rows(array.shape[0], array.shape[1], size)
    return None


def _pictures_of_tensor(tensor: np.ndarray, size: tuple[int, int], channels: int) -> list[np.ndarray] | None:
    shape = tuple(tensor.shape) if tensor.ndim <= 4 else ()
    if len(shape) == 4:
        return list(to_uint8(to_numpy(tensor)))
    if len(shape) == 3 and shape[0] > _MOST_CHANNELS < shape[2]:
        return list(to_uint8(np.moveaxis(to_numpy(tensor), -1, 0)))
    small = len(shape) == 3 and (shape[1:] == size or max(shape[1:]) <= _SMALL)
    if small and 1 < shape[0] <= _MOST_CHANNELS and channels == 1:
        raise ImageError(
            f"a tensor of shape {shape} may be {shape[0]} pictures, or one of {shape[0]} channels; "
            "write tensor[:, None] for pictures, and tensor[None] for one in colour"
        )
    if len(shape) == 2:
        _refuse_rows(shape[0], shape[1], size)
    return None


def _refuse_rows(height: int, width: int, size: tuple[int, int]) -> None:
    """An array whose rows may be pictures that were flattened, as the tables of Kaggle, OpenML and scikit-learn have them."""
    if height > 1 and width == _MNIST_SIZE[0] * _MNIST_SIZE[1] + 1:
        raise ImageError(
            f"an array of shape ({height}, {width}) may be {height} pictures of {width - 1} pixels in a row, each after its "
            f"label; write array[:, 1:].reshape(-1, {_MNIST_SIZE[0]}, {_MNIST_SIZE[1]}) for pictures, and [array] for one"
        )
    if width == 1 and height in {size[0] * size[1], _MNIST_SIZE[0] * _MNIST_SIZE[1]}:
        raise ImageError(
            f"an array of shape ({height}, 1) may be a picture in one column; write array.reshape({height // size[1]}, {size[1]})"
        )
    side = math.isqrt(width)
    if width in _COLOUR_ROWS and height < width / _LONGEST:
        raise ImageError(
            f"an array of shape ({height}, {width}) may be {_count(height)} of 3 channels in a row, or one; write "
            f"array.reshape(-1, 3, {math.isqrt(width // 3)}, {math.isqrt(width // 3)}) for pictures, and [array] for one"
        )
    frame = width == size[0] * size[1] or width == _MNIST_SIZE[0] * _MNIST_SIZE[1]
    square = side * side == width and side >= 8 and not width / _LONGEST <= height <= width * _LONGEST
    if height and height != width and (frame or square):
        high, wide = size if width == size[0] * size[1] else (side, side)
        raise ImageError(
            f"an array of shape ({height}, {width}) may be {_count(height)} of {width} pixels in a row, or one; "
            f"write array.reshape(-1, {high}, {wide}) for pictures, and [array] for one"
        )


def _count(pictures: int) -> str:
    return "a picture" if pictures == 1 else f"{pictures} pictures"


def _white(dtype: np.dtype[np.generic], low: float, high: float) -> float:
    if dtype.kind == "b":
        return 1
    if dtype.kind in "ui" and low >= 0 and high <= _DEPTHS[-1]:
        return white_of_integers(high)
    if dtype.kind == "f" and low >= 0 and (high <= 1 or _FEWEST_GREYS < high <= 255):
        return 1 if high <= 1 else 255
    if dtype.kind == "f" and low >= 0 and high <= _FEWEST_GREYS:
        hint = f"if {high:g} is white, divide by it"
    elif math.isnan(low):
        hint = "NaN has no brightness; np.nan_to_num(array) makes it 0"
    elif dtype.kind == "i" and low < 0:
        hint = "array - array.min() begins with 0"
    elif dtype.kind == "f" and low < 0:
        hint = "a normalised image is wanted as it was before; pixels from -1 to 1 are (pixels + 1) / 2"
    else:
        hint = "scale them, so that 0 is black and 1 is white"
    expected = "0 to 1 or 0 to 255" if dtype.kind == "f" else "0 to 255, or 0 to 65535"
    raise ImageError(f"got {dtype} pixels from {low:g} to {high:g}, expected {expected}; {hint}")


def _scaled(values: np.ndarray, white: float) -> np.ndarray:
    if values.dtype.kind == "f":
        scaled: np.ndarray = np.rint(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)
        return scaled
    # Shares of white, rounded down: 257 levels of 16 bits each become one of 8.
    if float(white).is_integer():
        return (values.astype(np.uint32) * np.uint32(255) // np.uint32(white)).astype(np.uint8)
    return (values.astype(np.float64) * (255 / white)).astype(np.uint8)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
