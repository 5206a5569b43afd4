"""Boxes: where something lies in an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Box"]


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels.

    Attributes:
        left: the first column.
        top: the first row.
        right: the first column that is no longer in it.
        bottom: likewise, the first row.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    @property
    def pixels(self) -> tuple[slice, slice]:
        """What to index an image ``(H, W)`` with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def inside(self, rim: int) -> Box:
        """The box without a rim of so many pixels."""
        return Box(self.left + rim, self.top + rim, self.right - rim, self.bottom - rim)

    def moved(self, right: int, down: int) -> Box:
        """The box so many pixels farther."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    @staticmethod
    def enclosing(boxes: Sequence[Box]) -> Box:
        """The smallest box with all of some in it; at least one."""
        return Box(
            min(box.left for box in boxes),
            min(box.top for box in boxes),
            max(box.right for box in boxes),
            max(box.bottom for box in boxes),
        )

    def distance(self, other: Box) -> int:
        """In pixels, along the axis where they are farther apart; below 0 if they overlap."""
        return max(other.left - self.right, self.left - other.right, other.top - self.bottom, self.top - other.bottom)
