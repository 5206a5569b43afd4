"""A page as a table: rows, columns, and the cells in which nothing stands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mnistkit.errors import MissingExtraError
from mnistkit.imaging import Rule, find_grid
from mnistkit.reading.lines import Edges, levelled

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Table", "table_of"]

# Characters this close, in units of their height, are in one cell: in narrow cells, neighbours are little farther apart. Of 12
# drawn tables of 9 x 9 handwritten digits 10 have all their rows and columns with it, 5 with 0.6; with less, numbers of two
# digits fall apart.
_TOGETHER = 0.4
# Middles of cells this close, in units of their width, are in one column.
_CLOSE = 0.6
# Rules are those of a table if this share of the characters stands in its cells, each with the middle part of its box, so large,
# in one: digits on squared paper do not.
_WITHIN, _MIDDLE = 0.8, 0.6
# Characters of one cell farther apart than this, in units of their height, are two words.
_APART = 0.8


#: Its text, its box - left, top, right and bottom edge, in pixels of the page as it is read - and the number of its line.
Character: TypeAlias = tuple[str, Edges, int]


@dataclass(frozen=True)
class Table:
    """Cells in rows and columns.

    Attributes:
        cells: the text of each cell, ``""`` where nothing stands; all rows have as many.
    """

    cells: tuple[tuple[str, ...], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.cells)

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return len(self.cells[0]) if self.cells else 0

    def __str__(self) -> str:
        wide = max((len(cell) for row in self.cells for cell in row), default=0)
        return "\n".join(" ".join((cell or ".").rjust(wide) for cell in row) for row in self.cells)

    def to_pandas(self) -> DataFrame:
        """The cells as a data frame of texts.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("pandas", "pandas", "Table.to_pandas()") from error
        return pd.DataFrame([list(row) for row in self.cells])


def table_of(characters: Sequence[Character], degrees: float = 0.0, page: np.ndarray | None = None) -> Table:
    """Bring characters into cells: those between the rules of a table, if there is one; otherwise by where they stand.

    Args:
        characters: in reading order.
        degrees: by how much their lines fall to the right.
        page: on which they stand, uint8 ``(H, W)``; without it, rules are not looked for.
    """
    if not characters:
        return Table(())
    if page is not None:
        height = float(np.median([bottom - top for _, (_, top, _, bottom), _ in characters]))
        grid = find_grid(page, height)
        if grid is not None and (table := _ruled(characters, *grid)) is not None:
            return table
    texts, boxes, lines = zip(*characters, strict=True)
    return _by_place(list(zip(texts, levelled(boxes, degrees), lines, strict=True)))


def _ruled(characters: Sequence[Character], lying: list[Rule], standing: list[Rule]) -> Table | None:
    """The cells between rules; ``None`` if the characters do not stand in them."""
    cells: dict[tuple[int, int], list[tuple[str, float, float, float]]] = {}
    for text, (left, top, right, bottom), _ in characters:
        x, y = (left + right) / 2, (top + bottom) / 2
        beside, above = _MIDDLE * (right - left) / 2, _MIDDLE * (bottom - top) / 2
        places = {_place(lying, standing, u, v) for u in (x - beside, x + beside) for v in (y - above, y + above)}
        if len(places) == 1 and (place := places.pop()) is not None:
            cells.setdefault(place, []).append((text, left, right, bottom - top))
    if sum(map(len, cells.values())) < _WITHIN * len(characters):
        return None
    return Table(
        tuple(
            tuple(_cell(cells.get((row, column), [])) for column in range(len(standing) - 1))
            for row in range(len(lying) - 1)
        )
    )


def _place(lying: list[Rule], standing: list[Rule], x: float, y: float) -> tuple[int, int] | None:
    """Row and column of a point; ``None`` outside the table."""
    row, column = sum(rule.aside(x) < y for rule in lying) - 1, sum(rule.aside(y) < x for rule in standing) - 1
    return (row, column) if 0 <= row < len(lying) - 1 and 0 <= column < len(standing) - 1 else None


def _cell(characters: list[tuple[str, float, float, float]]) -> str:
    text, end = "", math.inf
    for character, left, right, height in characters:
        text += f" {character}" if left - end > _APART * height else character
        end = right
    return text


def _by_place(characters: Sequence[Character]) -> Table:
    """Neighbours in a line are one cell, cells that stand over each other one column."""
    height = float(np.median([bottom - top for _, (_, top, _, bottom), _ in characters]))
    cells: list[tuple[str, float, float, int]] = []
    for text, (left, _, right, _), line in characters:
        if cells and cells[-1][3] == line and left - cells[-1][2] < _TOGETHER * height:
            before, start, end, _ = cells[-1]
            cells[-1] = before + text, start, max(end, right), line
        else:
            cells.append((text, left, right, line))
    middles = sorted((left + right) / 2 for _, left, right, _ in cells)
    wide = max(float(np.median([right - left for _, left, right, _ in cells])), height / 2)
    # A step from one middle to the next that is wider than most of a cell's text leads to another column.
    edges = [(a + b) / 2 for a, b in itertools.pairwise(middles) if b - a > _CLOSE * wide]
    lines = sorted({line for *_, line in cells})
    rows = [[""] * (len(edges) + 1) for _ in lines]
    for text, left, right, line in cells:
        row, column = rows[lines.index(line)], int(np.searchsorted(edges, (left + right) / 2))
        row[column] = f"{row[column]} {text}".strip()
    return Table(tuple(tuple(row) for row in rows))
