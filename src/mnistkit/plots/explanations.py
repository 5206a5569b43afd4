"""Why a model answers as it does: pixels that count, and edits that would change the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from torch import Tensor, nn

from mnistkit import interpret
from mnistkit._core.style import AxesGrid, Theme, dress, percent, several_axes
from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.interpret import Edit
from mnistkit.interpret.attribution import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Method", "attribution_maps", "smallest_edits"]

Method: TypeAlias = Literal["saliency", "grad_cam", "occlusion"]

_TITLES = {"saliency": "saliency", "grad_cam": "Grad-CAM", "occlusion": "occlusion"}


def attribution_maps(
    model: nn.Module,
    images: Tensor,
    *,
    methods: Sequence[Method] = ("saliency", "grad_cam", "occlusion"),
    target: Target = None,
    layer: str | None = None,
    axes: AxesGrid | None = None,
    theme: Theme = "light",
) -> Figure:
    """Which pixels an answer comes from: a row for each image, the image first, then a map for each method.

    Bright counts most; each map has its own scale, and the digit's outline is drawn over it.

    Args:
        model: from images to logits.
        images: normalised float ``(N, C, H, W)``, or one ``(C, H, W)``.
        methods: of :func:`~mnistkit.interpret.saliency`, :func:`~mnistkit.interpret.grad_cam` and
            :func:`~mnistkit.interpret.occlusion`.
        target: which class to explain; by default the model's own answer.
        layer: for Grad-CAM; by default the last convolution.
        axes: where to draw, ``N * (1 + methods)`` of them; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown method, layer, target or theme, or too few axes.
        DataError: for images of another shape.
    """
    for method in methods:
        if method not in get_args(Method):
            raise ConfigError(unknown_name("method", method, get_args(Method)))
    batch = images[None] if images.ndim == 3 else images
    compute = {
        "saliency": lambda: interpret.saliency(model, batch, target),
        "grad_cam": lambda: interpret.grad_cam(model, batch, target, layer=layer),
        "occlusion": lambda: interpret.occlusion(model, batch, target),
    }
    maps = [compute[method]().cpu().numpy() for method in methods]
    pictures = batch.mean(1).cpu().numpy()
    columns = 1 + len(methods)
    count = len(pictures) * columns
    figure, panels = several_axes(axes, count, columns, (1.3 * columns, 1.3 * len(pictures) + 0.25), theme)
    for place, ax in enumerate(panels):
        row, column = divmod(place, columns)
        if column == 0:
            ax.imshow(pictures[row], cmap="gray")
        else:
            _draw_map(ax, maps[column - 1][row], pictures[row])
        if row == 0:
            ax.set_title("image" if column == 0 else _TITLES[methods[column - 1]], fontsize=11)
        ax.set(xticks=[], yticks=[])
        dress(ax, theme, frame=False)
    return figure


def _draw_map(ax: Axes, values: np.ndarray, picture: np.ndarray) -> None:
    most = float(values.max())
    ax.imshow(values, cmap="inferno", vmin=min(0.0, float(values.min())), vmax=most if most > 0 else 1.0)
    low, high = float(picture.min()), float(picture.max())
    if high > low:
        ax.contour(picture, levels=[(low + high) / 2], colors="#ffffff", linewidths=0.9, alpha=0.8)


def smallest_edits(
    edits: Edit | Sequence[Edit],
    *,
    classes: Sequence[str] | None = None,
    axes: AxesGrid | None = None,
    theme: Theme = "light",
) -> Figure:
    """What would have to change for another answer: the image, the ink to add and to remove, the edited image.

    A row for each edit. Added ink is red, removed ink is blue; how much of each is said in fully changed pixels.

    Args:
        edits: of :func:`mnistkit.interpret.smallest_edit`, of one-channel images.
        classes: a name for each label; by default its number.
        axes: where to draw, three for each edit; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: if there are no edits, or fewer classes than they name.
        ConfigError: for an unknown theme, or too few axes.
    """
    several = [edits] if isinstance(edits, Edit) else list(edits)
    if not several:
        raise DataError("there are no edits to draw")
    most = max(max(edit.label, edit.target) for edit in several)
    names = [str(label) for label in range(most + 1)] if classes is None else classes
    if len(names) <= most:
        raise DataError(f"got {len(names)} classes for edits of label {most}, expected a name for each label")
    figure, panels = several_axes(axes, 3 * len(several), 3, (4.6, 1.75 * len(several)), theme)
    for row, edit in enumerate(several):
        before, change, after = panels[3 * row : 3 * row + 3]
        before.imshow(edit.before.float().mean(0).numpy(), cmap="gray", vmin=0, vmax=255)
        before.set_title(f"{names[edit.label]} ({percent(edit.confidence)})", fontsize=11)
        change.imshow(edit.change.mean(0).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
        change.set_title(f"+{edit.added:.1f} -{edit.removed:.1f} ink", fontsize=11)
        after.imshow(edit.after.float().mean(0).numpy(), cmap="gray", vmin=0, vmax=255)
        after.set_title(f"{names[edit.target]} ({percent(edit.target_confidence)})", fontsize=11)
        for ax in (before, change, after):
            ax.set(xticks=[], yticks=[])
            dress(ax, theme, frame=False)
    return figure
