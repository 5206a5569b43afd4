"""A figure that notebooks show without having been told anything about matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["NotebookFigure"]


class NotebookFigure(Figure):
    """A figure that is shown where it is the last line of a cell.

    Notebooks know those of pyplot only, once ``%matplotlib inline`` has been run or pyplot imported.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        file = io.BytesIO()
        self.savefig(file, format="png")
        width, height = self.get_size_inches() * 96  # as large as on a page of the web, however many dots it has
        return file.getvalue(), {"width": round(width), "height": round(height)}
