"""Images with their labels, and with what a model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mnistkit._core.style import Theme, dress, look_of, one_axes
from mnistkit.data import DigitDataset
from mnistkit.errors import ConfigError, DataError
from mnistkit.plots.mosaic import draw_mosaic, mosaic_size
from mnistkit.seeding import derive_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["prediction_grid", "sample_grid"]


def sample_grid(
    data: DigitDataset,
    *,
    rows: int = 4,
    columns: int = 4,
    seed: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """Images under their labels.

    Args:
        data: the images; as the model sees them, white ink on black.
        rows: how many.
        columns: how many.
        seed: of a random choice; without one, the first images.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown theme, or no rows or columns.
        DataError: if there are no images.

    >>> figure = sample_grid(load_mnist().train, rows=2, columns=5)
    >>> len(figure.axes[0].texts)
    10
    """
    chosen = data[_choose(len(data), rows, columns, seed)]
    tiles = _pictures(chosen)
    titles = [chosen.classes[label] for label in chosen.labels.tolist()]
    figure, ax = one_axes(ax, mosaic_size(tiles, columns, width=_width(min(columns, len(tiles))), titled=True), theme)
    draw_mosaic(ax, tiles, columns, theme=theme, titles=titles, limits=(0, 1))
    dress(ax, theme, frame=False)
    return figure


def prediction_grid(
    data: DigitDataset,
    predictions: Sequence[int] | np.ndarray | Tensor,
    *,
    rows: int = 8,
    columns: int = 8,
    wrong_only: bool = False,
    seed: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """Images under "label, prediction"; the wrong ones have a cross and a thick frame.

    Args:
        data: the images.
        predictions: a label for each of them, whole numbers ``(N,)`` from 0.
        rows: how many.
        columns: how many.
        wrong_only: whether to show the misclassified images only.
        seed: of a random choice; without one, the first images.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown theme, or no rows or columns.
        DataError: for predictions that do not fit the images, or if there is nothing to show.
    """
    predicted = torch.as_tensor(predictions).cpu()
    if predicted.is_floating_point() or predicted.shape != data.labels.shape:
        raise DataError(
            f"got {predicted.dtype} predictions of shape {tuple(predicted.shape)} for {len(data)} images, expected one "
            f"label each, ({len(data)},); of logits, logits.argmax(1)"
        )
    if (predicted < 0).any():
        raise DataError(f"got the prediction {int(predicted.min())}, expected labels from 0")
    labels = data.labels.cpu()
    candidates = torch.nonzero(predicted != labels).flatten() if wrong_only else torch.arange(len(data))
    positions = candidates[_choose(len(candidates), rows, columns, seed)]
    chosen = data[positions]
    pairs = list(zip(labels[positions].tolist(), predicted[positions].tolist(), strict=True))
    # A model may tell more classes than were named.
    names = [*data.classes, *map(str, range(len(data.classes), int(predicted.max()) + 1))]
    # Words take two lines, so that their letters need not be tiny.
    comma = ", " if max(map(len, names)) <= 3 else ",\n"
    titles = [f"{names[label]}{comma}{names[said]}" + (" ✗" if said != label else "") for label, said in pairs]
    wrong = [said != label for label, said in pairs]
    tiles = _pictures(chosen)
    # At least as wide as the title.
    width, height = mosaic_size(tiles, columns, width=max(3.4, _width(min(columns, len(tiles)))), titled=True)
    figure, ax = one_axes(ax, (width, height + 0.3), theme)
    draw_mosaic(ax, tiles, columns, theme=theme, titles=titles, marked=wrong, limits=(0, 1))
    ax.set_title(f"label, prediction (✗ wrong: {sum(wrong)} of {len(wrong)})", fontsize=11, color=look_of(theme).text)
    dress(ax, theme, frame=False)
    return figure


def _choose(count: int, rows: int, columns: int, seed: int | None) -> Tensor:
    if rows < 1 or columns < 1:
        raise ConfigError(f"rows is {rows} and columns is {columns}, expected at least 1 of each")
    if not count:
        raise DataError("there are no images to show")
    wanted = min(count, rows * columns)
    if seed is None:
        return torch.arange(wanted)
    generator = torch.Generator().manual_seed(derive_seed(seed, "grid"))
    return torch.randperm(count, generator=generator)[:wanted]


def _pictures(data: DigitDataset) -> np.ndarray:
    """Grey ``(N, H, W)`` or coloured ``(N, H, W, 3)``, 0 to 1."""
    pixels = data.images.cpu().numpy() / 255
    return np.moveaxis(pixels, 1, -1) if pixels.shape[1] == 3 else pixels.mean(1)


def _width(columns: int) -> float:
    """In inches; a tile of a narrow grid is a little larger."""
    return max(2.4, min(columns * 0.78, 7.5))
