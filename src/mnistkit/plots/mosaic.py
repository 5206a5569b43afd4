"""Many small pictures as one: a thousand kernels are drawn as fast as one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnistkit._core.style import look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["assemble", "draw_mosaic", "mosaic_size", "tile_corner"]

# In parts of a tile's side: between two tiles, and above a tile for its title.
_GAP = 0.12
_TITLE = 0.38


def _pitch(tile: tuple[int, int], titled: bool) -> tuple[int, int]:
    """Pixels from one tile's corner to the next one's: down and across."""
    side = max(tile)
    gap = max(1, round(_GAP * side))
    return tile[0] + (max(gap, round(_TITLE * side)) if titled else gap), tile[1] + gap


def tile_corner(number: int, tile: tuple[int, int], columns: int, titled: bool) -> tuple[int, int]:
    """The top left pixel of a tile: row and column."""
    down, across = _pitch(tile, titled)
    return number // columns * down + (down - tile[0] if titled else 0), number % columns * across


def assemble(tiles: np.ndarray, columns: int, *, titled: bool = False) -> np.ndarray:
    """Tiles ``(N, H, W)``, or ``(N, H, W, 3)`` in colour, as one array with NaN between them."""
    count, *tile = tiles.shape[:3]
    size = (tile[0], tile[1])
    down, across = _pitch(size, titled)
    rows = -(-count // columns)
    columns = min(columns, count)
    height = rows * down - (0 if titled else down - size[0])
    canvas = np.full((height, columns * across - (across - size[1]), *tiles.shape[3:]), np.nan)
    for number, picture in enumerate(tiles):
        top, left = tile_corner(number, size, columns, titled)
        canvas[top : top + size[0], left : left + size[1]] = picture
    return canvas


def mosaic_size(tiles: np.ndarray, columns: int, *, width: float, titled: bool = False) -> tuple[float, float]:
    """The figure's size in inches at which a mosaic fills a width."""
    height, across = assemble(np.zeros(tiles.shape[:3]), columns, titled=titled).shape
    return width, width * height / across


def draw_mosaic(
    ax: Axes,
    tiles: np.ndarray,
    columns: int,
    *,
    theme: str,
    titles: Sequence[str] = (),
    marked: Sequence[bool] = (),
    cmap: str = "gray",
    limits: tuple[float, float],
) -> AxesImage:
    """Draw tiles in rows.

    Args:
        ax: where to; its ticks are taken away.
        tiles: ``(N, H, W)``, or ``(N, H, W, 3)`` in 0 to 1.
        columns: tiles in a row.
        theme: of texts and frames.
        titles: of each tile.
        marked: which tiles get a thick frame and a cross.
        cmap: colours of the values.
        limits: the values that get the first and the last colour.
    """
    import matplotlib
    from matplotlib.patches import Rectangle

    look, titled = look_of(theme), bool(titles)
    size = (tiles.shape[1], tiles.shape[2])
    columns = min(columns, len(tiles))
    colours = matplotlib.colormaps[cmap].with_extremes(bad=(0, 0, 0, 0))
    canvas = assemble(tiles, columns, titled=titled)
    if tiles.ndim == 4:
        canvas = np.concatenate([np.nan_to_num(canvas), ~np.isnan(canvas[..., :1])], axis=-1)
    image = ax.imshow(canvas, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    points = _tile_points(ax, canvas.shape[1], size[1])
    lines = [title.split("\n") for title in titles]
    longest = max((len(line) for title in lines for line in title), default=1)
    most = max(map(len, lines), default=1)
    font = min(11.0, points * _TITLE * (0.8 if most == 1 else 0.75 / most), points * 1.1 / (0.62 * longest))
    for number in range(len(tiles)):
        top, left = tile_corner(number, size, columns, titled)
        wrong = bool(marked) and marked[number]
        frame = Rectangle((left - 0.5, top - 0.5), size[1], size[0], fill=False, clip_on=False)
        frame.set(edgecolor=look.wrong if wrong else look.faint, linewidth=2.5 if wrong else 0.5)
        ax.add_patch(frame)
        if titled:
            ax.text(
                left + size[1] / 2 - 0.5,
                top - 0.5 - 0.04 * size[0],
                titles[number],
                ha="center",
                va="bottom",
                linespacing=1.0,
                fontsize=font,
                fontweight="bold" if wrong else "normal",
                color=look.wrong if wrong else look.text,
            )
    return image


def _tile_points(ax: Axes, canvas_width: int, tile_width: int) -> float:
    """About how wide a tile will be, in points, for its title's size."""
    box = ax.get_window_extent()
    return float(box.width / ax.figure.dpi * 72 * tile_width / canvas_width)
