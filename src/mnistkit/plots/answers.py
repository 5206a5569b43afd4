"""A model's answers over a data set: confusion, calibration, and where it puts the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from mnistkit import interpret
from mnistkit._core.style import DASHES, Theme, colour_bar, dress, look_of, one_axes
from mnistkit.calibration import Reliability
from mnistkit.data import DigitDataset
from mnistkit.errors import DataError
from mnistkit.evaluation import Report
from mnistkit.interpret.projection import Projection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "embedding_map", "reliability_diagram"]

_MOST_NUMBERED = 15


def confusion_matrix(
    source: Report | np.ndarray | torch.Tensor,
    *,
    classes: Sequence[str] | None = None,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """How often each label was given each prediction. Mistakes are coloured by their share of the label's images.

    The right answers on the diagonal are framed and not coloured: they are so many that no mistake would show beside them.

    Args:
        source: a report; or counts ``(K, K)``, a row for each label, a column for each prediction.
        classes: a name for each label; by default the report's names, or numbers.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: for counts of another shape, or not as many classes.
        ConfigError: for an unknown theme.

    >>> figure = confusion_matrix(np.array([[8, 2], [0, 9]]), classes=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['8', '2', '9']
    """
    table = np.asarray(source.confusion if isinstance(source, Report) else source)
    known = source.classes if isinstance(source, Report) else map(str, range(len(np.atleast_1d(table))))
    names = list(known if classes is None else classes)
    if not table.size or table.shape != (len(names), len(names)):
        raise DataError(
            f"got counts of shape {table.shape} and {len(names)} classes, expected a row and a column for each class"
        )
    look, count = look_of(theme), len(table)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    wrong = np.where(np.eye(count, dtype=bool) | (table == 0), np.nan, shares)
    largest = float(np.nanmax(wrong)) if np.isfinite(wrong).any() else 1.0
    side = min(max(3.2, 0.42 * count + 1.2), 9.0)
    figure, ax = one_axes(ax, (side + 1.1, side), theme)
    # Only now: one_axes says what to install where matplotlib is missing.
    import matplotlib
    from matplotlib.colors import PowerNorm, to_hex
    from matplotlib.patches import Rectangle

    colours = matplotlib.colormaps["YlOrBr" if theme == "light" else "YlOrBr_r"].with_extremes(bad=(0, 0, 0, 0))
    # The root spreads the many small shares.
    norm = PowerNorm(0.5, 0, largest)
    image = ax.imshow(wrong, cmap=colours, norm=norm)
    for place in range(count):
        ax.add_patch(
            Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor=look.faint, linewidth=1.0, clip_on=False)
        )
    if count <= _MOST_NUMBERED:
        cell = ax.get_window_extent().width / ax.figure.dpi * 72 / count
        font = min(11.0, cell / (0.75 * max(2, len(str(int(table.max()))))))
        for row, column in zip(*np.nonzero(table), strict=True):
            background = look.paper if row == column else to_hex(colours(norm(wrong[row, column])))
            ax.text(
                column,
                row,
                f"{int(table[row, column])}",
                ha="center",
                va="center",
                fontsize=font,
                fontweight="bold" if row == column else "normal",
                color=_ink_on(background),
            )
    ax.set_xticks(
        range(count), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=10 if count <= 15 else 7
    )
    ax.set_yticks(range(count), names, fontsize=10 if count <= 15 else 7)
    ax.set(xlabel="prediction", ylabel="label")
    ax.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    ax.grid(True, which="minor", color=look.grid, linewidth=0.6)
    colour_bar(
        ax,
        image,
        theme,
        label="share of the label's images",
        form=lambda share, _: f"{share:.{1 if largest >= 0.02 else 2}%}",
    )
    dress(ax, theme, frame=False)
    return figure


def _ink_on(background: str) -> str:
    """Black or white, whichever is told apart from a colour better (WCAG's relative luminance)."""
    from matplotlib.colors import to_rgb

    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(background)]
    luminance = float(np.dot(channels, (0.2126, 0.7152, 0.0722)))
    return "#000000" if luminance > 0.179 else "#ffffff"


def reliability_diagram(source: Report | Reliability, *, ax: Axes | None = None, theme: Theme = "light") -> Figure:
    """Accuracy against confidence, in bins of equal width; on the dashed line, confidence means what it says.

    A point's upright line is its 95 % interval (Wilson); grey bars are the share of the images in each bin.

    Args:
        source: a report; or of plain arrays, :func:`mnistkit.calibration.reliability`.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: if there are no images.
        ConfigError: for an unknown theme.

    >>> from mnistkit.calibration import reliability
    >>> half_right = reliability(np.full(10, 0.9), np.arange(10) < 5, bins=10)
    >>> print(reliability_diagram(half_right).axes[0].get_title())
    calibration error 40.0%
    """
    reliability = source.reliability if isinstance(source, Report) else source
    filled = reliability.filled
    if not filled:
        raise DataError("there are no images in this reliability curve")
    look, count = look_of(theme), sum(part.score.count for part in filled)
    figure, ax = one_axes(ax, (4.0, 4.3), theme)
    x, y = [part.confidence for part in filled], [part.score.accuracy for part in filled]
    spans = [part.score.interval for part in filled]
    errors = [
        [a - low for a, (low, _) in zip(y, spans, strict=True)],
        [high - a for a, (_, high) in zip(y, spans, strict=True)],
    ]
    ax.bar(
        [(part.low + part.high) / 2 for part in filled],
        [part.score.count / count for part in filled],
        width=[0.94 * (part.high - part.low) for part in filled],
        color=look.faint,
        alpha=0.35,
        label="share of images",
    )
    ax.plot([0, 1], [0, 1], color=look.faint, linestyle=DASHES[1], linewidth=1.4, label="ideal")
    ax.errorbar(
        x, y, errors, color=look.lines[0], marker="o", markersize=5, linewidth=1.8, elinewidth=1.2, label="model"
    )
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    ax.set_title(f"calibration error {reliability.error:.1%}", fontsize=11)
    # Under the axes: wherever it lay inside, some model's points would be there.
    ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, columnspacing=1.0, handlelength=1.6)
    dress(ax, theme, grid="both")
    return figure


def embedding_map(
    model: nn.Module,
    data: DigitDataset,
    *,
    method: Projection = "pca",
    layer: str | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """Images as points where the model puts them before it decides; each point is the label itself.

    A few hundred to a few thousand images are best; t-SNE takes seconds for a thousand.

    Args:
        model: from images to logits.
        data: the images and their labels.
        method: ``"pca"`` or ``"tsne"``; see :func:`mnistkit.interpret.project`.
        layer: whose output to map; by default what the last linear layer gets.
        seed: of t-SNE.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown method, layer or theme.
        DataError: for fewer than 3 images.
        MissingExtraError: for t-SNE without scikit-learn.
    """
    look = look_of(theme)
    features = interpret.embed(model, data.preprocessing.normalize(data.images), layer)
    points, labels = interpret.project(features, method, seed=seed).numpy(), data.labels.cpu().numpy()
    figure, ax = one_axes(ax, (4.6, 4.4), theme)
    # Numbers of more than two signs would hide each other: letters of the alphabet then, with a legend.
    present = np.unique(labels)
    short = all(len(data.classes[label]) <= 2 for label in present)
    signs = {label: data.classes[label] if short else chr(ord("A") + place % 26) for place, label in enumerate(present)}
    # Of many classes some share a colour, and the signs tell their points apart.
    colours = [look.lines[label % len(look.lines)] for label in range(len(data.classes))]
    from matplotlib.patheffects import withStroke

    for label in present:
        chosen = points[labels == label]
        name = signs[label] if short else f"{signs[label]}  {data.classes[label]}"
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            marker=f"$\\mathsf{{{signs[label]}}}$",
            snap=False,  # thin strokes would vanish between the pixels
            s=22,
            linewidths=0,
            color=colours[label],
            label=name,
        )
    for label in present:
        # The middle one: a mean may lie where nothing is.
        x, y = np.median(points[labels == label], axis=0)
        ax.text(
            x,
            y,
            signs[label],
            ha="center",
            va="center",
            fontsize=17,
            fontweight="bold",
            color=colours[label],
            path_effects=[withStroke(linewidth=3, foreground=look.paper)],
        )
    if not short:
        ax.legend(fontsize=8, markerscale=1.3, loc="center left", bbox_to_anchor=(1.0, 0.5))
    title = {"pca": "principal component", "tsne": "t-SNE"}[method]
    ax.set(xlabel=f"{title} 1", ylabel=f"{title} 2", xticks=[], yticks=[])
    dress(ax, theme)
    return figure
