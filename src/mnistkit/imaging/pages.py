"""The pages of a document as a sequence of pictures."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex, overload

import numpy as np

from mnistkit.imaging.load import count_pages, load_image
from mnistkit.types import ImageLike

__all__ = ["Pages", "load_pages"]


class Pages(Sequence[np.ndarray]):
    """The pages of a file, each read when it is asked for; between that nothing is open.

    Args:
        file: such as :func:`~mnistkit.imaging.load_image` takes it.

    Raises:
        ImageError: if it cannot be opened.
    """

    def __init__(self, file: ImageLike) -> None:
        self._file = file
        self._count = count_pages(file)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: SupportsIndex) -> np.ndarray: ...
    @overload
    def __getitem__(self, number: slice) -> list[np.ndarray]: ...
    def __getitem__(self, number: SupportsIndex | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(number, slice):
            return [self[place] for place in range(self._count)[number]]
        return load_image(self._file, channels=3, page=range(self._count)[operator.index(number)])

    def __repr__(self) -> str:
        return f"Pages({self._count})"


def load_pages(file: ImageLike) -> Pages:
    """The pages of a PDF or a TIFF as pictures; of any other picture, itself.

    A page of a PDF is drawn with 200 dots an inch, with what was filled into its form; pypdfium2 is needed for that:
    ``pip install 'mnistkit[pdf]'``. Small copies and masks in a TIFF are no pages.

    Args:
        file: a path, bytes or a binary file object; see :func:`~mnistkit.imaging.load_image`.

    Returns:
        A sequence of uint8 ``(H, W, 3)``. Each page is read when it is asked for.

    Raises:
        ImageError: if it is no picture or document, is damaged or encrypted, or has over ``MAX_PAGES``; a page that cannot
            be read raises it when it is asked for.

    >>> import io, PIL.Image
    >>> first, second = PIL.Image.new("L", (80, 60), 255), PIL.Image.new("L", (90, 60), 255)
    >>> first.save(file := io.BytesIO(), "TIFF", save_all=True, append_images=[second])
    >>> [page.shape for page in load_pages(file)]
    [(60, 80, 3), (60, 90, 3)]
    """
    return Pages(file)
