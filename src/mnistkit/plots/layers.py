"""Inside a model: kernels and how they form, feature maps, weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from torch import Tensor, nn

from mnistkit import interpret
from mnistkit._core.files import write_atomically
from mnistkit._core.style import AxesGrid, Theme, colour_bar, dress, look_of, one_axes, several_axes
from mnistkit.errors import ConfigError, DataError
from mnistkit.plots.mosaic import draw_mosaic, mosaic_size, tile_corner
from mnistkit.types import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["feature_maps", "kernel_evolution", "kernels", "save_kernel_animation", "weight_histograms"]

# Negative is blue, positive is red, nothing is white: told apart with any colour vision, and in any theme.
_SIGNED = "RdBu_r"
_GIF_DPI = 110


def kernels(model: nn.Module, layer: str, *, ax: Axes | None = None, theme: Theme = "light") -> Figure:
    """The kernels of a convolution: a column for each output map, a row for each input map.

    Args:
        model: any module.
        layer: the path of a 2-D convolution, such as ``"conv.0"``.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: if there is no such convolution, or for an unknown theme.

    >>> kernels(create_model("convnet"), "conv.3").axes[0].get_xlabel()
    'output map (1 to 8)'
    """
    weights = interpret.kernels(model, layer).numpy()
    outputs, inputs = weights.shape[:2]
    # One row of kernels where there is one input map, as many to a row as fit.
    columns = outputs if inputs > 1 else min(outputs, 8)
    tiles = weights.transpose(1, 0, 2, 3).reshape(-1, *weights.shape[2:])
    width = max(2.6, min(0.7 * columns + 1, 8.0))
    size = mosaic_size(tiles, columns, width=width)
    figure, ax = one_axes(ax, (size[0] + 0.5, size[1] + 0.45), theme)
    image = draw_mosaic(ax, tiles, columns, theme=theme, cmap=_SIGNED, limits=_symmetric(tiles))
    ax.set_xlabel(f"output map (1 to {outputs})")
    if inputs > 1:
        ax.set_ylabel(f"input map (1 to {inputs})")
    ax.set_title(f"kernels of {layer}, {weights.shape[2]}x{weights.shape[3]}", fontsize=11)
    colour_bar(ax, image, theme)
    dress(ax, theme, frame=False)
    return figure


def feature_maps(
    model: nn.Module,
    image: Tensor,
    layer: str,
    *,
    columns: int = 4,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """What a layer makes of an image, map by map.

    Args:
        model: any module.
        image: one normalised image, float ``(C, H, W)`` or ``(1, C, H, W)``.
        layer: the path of a layer that puts out maps, such as ``"conv.0"``.
        columns: maps in a row.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown layer or theme.
        DataError: for more than one image, or a layer that puts out no maps.

    >>> image, _ = load_mnist().test[0]
    >>> feature_maps(create_model("convnet"), image, "conv.0").axes[0].get_title()
    'conv.0: 4 maps of 28x28'
    """
    images = image[None] if image.ndim == 3 else image
    if images.ndim != 4 or len(images) != 1:
        raise DataError(f"got an image of shape {tuple(image.shape)}, expected one: (C, H, W)")
    output = interpret.activations(model, images, layer)
    if output.ndim != 4:
        raise DataError(f"layer {layer!r} puts out {tuple(output.shape[1:])}, expected maps (channels, height, width)")
    tiles = output[0].float().cpu().numpy()
    columns = min(columns, len(tiles))
    size = mosaic_size(tiles, columns, width=max(2.6, min(1.1 * columns + 0.8, 8.0)))
    figure, ax = one_axes(ax, (size[0] + 0.5, size[1] + 0.35), theme)
    signed = bool(tiles.min() < 0)
    limits = _symmetric(tiles) if signed else (0.0, float(tiles.max()) or 1.0)
    drawn = draw_mosaic(ax, tiles, columns, theme=theme, cmap=_SIGNED if signed else "viridis", limits=limits)
    ax.set_title(f"{layer}: {len(tiles)} maps of {tiles.shape[1]}x{tiles.shape[2]}", fontsize=11)
    colour_bar(ax, drawn, theme)
    dress(ax, theme, frame=False)
    return figure


def kernel_evolution(
    kernels: Sequence[Tensor],
    steps: Sequence[int],
    *,
    moments: int = 8,
    channel: int = 0,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """How kernels formed: a row for each kernel, a column for each moment, the last at the end of training.

    Args:
        kernels: copies of a convolution's weights ``(out, in, height, width)``:
            those of a :class:`mnistkit.callbacks.KernelRecorder`.
        steps: when they were made: the recorder's ``steps``.
        moments: how many to show, evenly spread.
        channel: of which input map.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: for copies that are no convolution's, or not as many as steps.
        ConfigError: for fewer than 2 moments, a channel that is not there, or an unknown theme.
    """
    frames = _frames(kernels, steps, channel)
    if moments < 2:
        raise ConfigError(f"moments is {moments}, expected at least 2")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(moments, len(frames))).round().astype(int))
    tiles = frames[chosen].transpose(1, 0, 2, 3).reshape(-1, *frames.shape[2:])
    columns = len(chosen)
    size = mosaic_size(tiles, columns, width=max(2.6, min(0.62 * columns + 1.2, 8.0)))
    figure, ax = one_axes(ax, (size[0] + 0.8, size[1] + 0.4), theme)
    image = draw_mosaic(ax, tiles, columns, theme=theme, cmap=_SIGNED, limits=_symmetric(frames))
    tile = (tiles.shape[1], tiles.shape[2])
    middles = [tile_corner(number, tile, columns, False)[1] + tile[1] / 2 - 0.5 for number in range(columns)]
    ax.set_xticks(middles, [f"{steps[at]:,}" for at in chosen], fontsize=9)
    rows = [
        tile_corner(number * columns, tile, columns, False)[0] + tile[0] / 2 - 0.5 for number in range(frames.shape[1])
    ]
    ax.set_yticks(rows, [str(number) for number in range(1, frames.shape[1] + 1)], fontsize=9)
    ax.set(xlabel="step", ylabel="kernel")
    colour_bar(ax, image, theme)
    dress(ax, theme, frame=False)
    return figure


def save_kernel_animation(
    path: PathLike,
    kernels: Sequence[Tensor],
    steps: Sequence[int],
    *,
    channel: int = 0,
    milliseconds: int = 120,
    theme: Theme = "light",
) -> None:
    """Write the forming of kernels as an animated GIF; the last frame stays for two seconds.

    Args:
        path: of the file.
        kernels: copies of a convolution's weights ``(out, in, height, width)``:
            those of a :class:`mnistkit.callbacks.KernelRecorder`.
        steps: when they were made: the recorder's ``steps``.
        channel: of which input map.
        milliseconds: for which a frame is shown, at least 20.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: for copies that are no convolution's, or not as many as steps.
        ConfigError: for a channel that is not there, frames shorter than 20 ms, or an unknown theme.
        WriteError: if the file cannot be written; an earlier one of that name is then intact.
    """
    frames = _frames(kernels, steps, channel)
    if milliseconds < 20:
        raise ConfigError(f"milliseconds is {milliseconds}, expected at least 20: viewers show no shorter frames")
    columns = min(frames.shape[1], 8)
    size = mosaic_size(frames[0], columns, width=max(2.4, min(0.8 * columns, 6.4)))
    figure, ax = one_axes(None, (size[0], size[1] + 0.32), theme)
    look, pictures = look_of(theme), list[PIL.Image.Image]()
    for step, frame in zip(steps, frames, strict=True):
        ax.clear()
        draw_mosaic(ax, frame, columns, theme=theme, cmap=_SIGNED, limits=_symmetric(frames))
        ax.set_title(f"step {step:,}", fontsize=11, color=look.text)
        dress(ax, theme, frame=False)
        if not pictures:
            # Laid out once: a title of another width would move the kernels.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        # savefig would take the face colour from matplotlib's settings unless told.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=_GIF_DPI, facecolor=look.paper)
        pictures.append(PIL.Image.open(drawn).convert("RGB"))
    file = io.BytesIO()
    times = [milliseconds] * (len(pictures) - 1) + [2000]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    write_atomically(Path(path), file.getvalue())


def weight_histograms(model: nn.Module, *, axes: AxesGrid | None = None, theme: Theme = "light") -> Figure:
    """How the weights of each layer are spread, with mean and deviation. Biases and normalisation are left out.

    Args:
        model: any module.
        axes: where to draw, one for each layer; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for a model without weight matrices, too few axes, or an unknown theme.

    >>> len(weight_histograms(create_model("lenet5")).axes)
    5
    """
    weights = {name: p.detach().cpu().float().numpy() for name, p in model.named_parameters() if p.ndim >= 2}
    if not weights:
        raise ConfigError(f"{type(model).__name__} has no layer with a matrix of weights")
    look, columns = look_of(theme), 2 if len(weights) in (2, 4) else min(3, len(weights))
    rows = -(-len(weights) // columns)
    figure, panels = several_axes(axes, len(weights), columns, (2.5 * columns, 1.9 * rows), theme)
    for ax, (name, values) in zip(panels, weights.items(), strict=True):
        flat = values.ravel()
        bins = int(np.clip(np.sqrt(flat.size) * 2, 8, 60))
        ax.hist(flat, bins=bins, color=look.lines[0], edgecolor=look.paper, linewidth=0.2)
        ax.axvline(0, color=look.faint, linewidth=0.8)
        ax.set_title(name.removesuffix(".weight"), fontsize=10)
        ax.set_xlabel(f"mean {round(float(flat.mean()), 3) + 0.0:.3f}, std {flat.std():.3f}", fontsize=9)
        ax.set_yticks([])
        ax.tick_params(labelsize=8)
        ax.locator_params(axis="x", nbins=5)
        dress(ax, theme)
        ax.spines["left"].set_visible(False)
    return figure


def _frames(kernels: Sequence[Tensor], steps: Sequence[int], channel: int) -> np.ndarray:
    """The kernels of one input map at every moment: ``(moments, out, height, width)``."""
    if not len(kernels) or len(kernels) != len(steps):
        raise DataError(
            f"got {len(kernels)} copies of kernels and {len(steps)} steps, expected as many, and at least one"
        )
    shapes = {tuple(copy.shape) for copy in kernels}
    if len(shapes) > 1 or kernels[0].ndim != 4:
        raise DataError(f"got copies of shape {sorted(shapes)}, expected one shape (out, in, height, width)")
    if not 0 <= channel < kernels[0].shape[1]:
        raise ConfigError(f"channel is {channel}, expected 0 to {kernels[0].shape[1] - 1}")
    return np.stack([copy[:, channel].float().numpy() for copy in kernels])


def _symmetric(values: np.ndarray) -> tuple[float, float]:
    """Limits that put 0 in the middle."""
    largest = float(np.abs(values).max()) or 1.0
    return -largest, largest
