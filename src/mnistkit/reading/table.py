"""A page as a table: rows, columns, and the cells in which nothing stands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnistkit.errors import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Table", "table_of"]

# Characters this close, in units of their height, are in one cell: in narrow cells, neighbours are little farther apart. Of 12
# drawn tables of 9 x 9 handwritten digits 10 have all their rows and columns with it, 5 with 0.6; with less, numbers of two
# digits fall apart.
_TOGETHER = 0.4
# Middles of cells this close, in units of their width, are in one column.
_CLOSE = 0.6


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


def table_of(characters: Sequence[tuple[str, tuple[float, float, float, float], int]]) -> Table:
    """Bring characters into cells: neighbours in a line are one cell, cells that stand over each other one column.

    Args:
        characters: the text, the box and the line of each, in reading order.
    """
    if not characters:
        return Table(())
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
