"""A model as a drawing: what goes from layer to layer, to scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torch import nn

from mnistkit._core.style import Look, Theme, dress, look_of, one_axes
from mnistkit.models import Summary, model_spec, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["architecture"]

# In inches: a stage's height, and where its drawing is.
_ROW = 0.46
_GLYPH = 0.6


@dataclass
class _Stage:
    """Layers that put out one shape, drawn as one."""

    names: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    parameters: int = 0


def architecture(
    model: nn.Module,
    input_shape: tuple[int, ...] | None = None,
    *,
    ax: Axes | None = None,
    theme: Theme = "light",
) -> Figure:
    """A model from top to bottom: each stage's layers, what they put out, drawn to scale, and their parameters.

    Layers that keep the shape (activations, normalisation, dropout) share the stage of the layer before them.

    Args:
        model: any module.
        input_shape: of one image, without the batch; by default what the model itself says.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: if neither says the shape, or for an unknown theme.

    >>> texts = [text.get_text() for text in architecture(create_model("mlp")).axes[0].texts]
    >>> texts[:4]
    ['input', '784', 'linear + ReLU', '25']
    """
    look, found = look_of(theme), summary(model, input_shape)
    stages = _stages(model, found)
    # One unit is an inch, so that the texts fit and squares are square; on small axes of the caller's all shrinks alike.
    names = [" + ".join(stage.names) for stage in stages]
    left = 1.25
    middle = left + 0.25 + 0.083 * max(map(len, names))
    right = middle + 1.95
    low = -_ROW * (len(stages) + 0.45)
    scale = 1.0
    if ax is not None:
        box = ax.get_window_extent()
        scale = min(1.0, box.width / ax.figure.dpi / right, -box.height / ax.figure.dpi / low)
    figure, ax = one_axes(ax, (right + 0.1, _ROW * (len(stages) + 1) + 0.35), theme)
    largest = max((max(stage.shape[1:]) for stage in stages if len(stage.shape) == 3), default=1)
    widest = max(math.prod(stage.shape) for stage in stages)
    for place, (stage, name) in enumerate(zip(stages, names, strict=True)):
        y = -_ROW * (place + 1)
        if len(stage.shape) == 3:
            _draw_maps(ax, stage.shape, y, largest, look)
        else:
            _draw_vector(ax, math.prod(stage.shape), y, widest, look)
        ax.text(left, y, name, va="center", fontsize=10 * scale, color=look.text)
        ax.text(
            middle,
            y,
            "x".join(map(str, stage.shape)),
            va="center",
            fontsize=10 * scale,
            color=look.text,
            fontweight="bold",
        )
        if stage.parameters:
            ax.text(right, y, f"{stage.parameters:,}", va="center", ha="right", fontsize=10 * scale, color=look.text)
    heads: list[tuple[float, str, Literal["left", "right"]]] = [
        (left, "layers", "left"),
        (middle, "output", "left"),
        (right, "parameters", "right"),
    ]
    for x, head, side in heads:
        ax.text(x, -0.1, head, va="center", ha=side, fontsize=9 * scale, color=look.faint)
    ax.set(xlim=(0, right), ylim=(low, 0), xticks=[], yticks=[], aspect="equal")
    spec = model_spec(model)
    ax.set_title(f"{spec.name if spec else found.model}: {found.parameters:,} parameters", fontsize=11)
    dress(ax, theme, frame=False)
    return figure


def _stages(model: nn.Module, found: Summary) -> list[_Stage]:
    stages = [_Stage(["input"], found.input_shape)]
    for layer in found.layers:
        module = model.get_submodule(layer.name)
        # A convolution or a dense layer is a stage of its own even if it keeps the shape.
        weighted = any(parameter.ndim >= 2 for parameter in module.parameters())
        if weighted or layer.output_shape != stages[-1].shape or len(stages) == 1:
            stages.append(_Stage(shape=layer.output_shape))
        stages[-1].names.append(_name(module))
        stages[-1].parameters += layer.parameters
    return stages


def _name(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        return f"conv {'x'.join(map(str, module.kernel_size))}"
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        kind = "max" if isinstance(module, nn.MaxPool2d) else "mean"
        return f"{kind} pool {module.kernel_size}"
    names = {nn.Linear: "linear", nn.BatchNorm2d: "batch norm", nn.Dropout: "dropout", nn.Flatten: "flatten"}
    return names.get(type(module), type(module).__name__)


def _draw_maps(ax: Axes, shape: tuple[int, ...], y: float, largest: int, look: Look) -> None:
    """Sheets one behind the other: as large as the maps, up to eight of them."""
    from matplotlib.patches import Rectangle

    channels, height, width = shape
    sheets = min(channels, 8)
    high, wide = 0.38 * height / largest, 0.38 * width / largest
    across, up = min(0.05, 0.3 * wide), min(0.014, 0.1 * high)
    for sheet in reversed(range(sheets)):
        shift = sheet - (sheets - 1) / 2
        corner = (_GLYPH - wide / 2 + across * shift, y - high / 2 + up * shift)
        ax.add_patch(Rectangle(corner, wide, high, facecolor=look.lines[0], edgecolor=look.paper, linewidth=0.7))


def _draw_vector(ax: Axes, count: int, y: float, widest: int, look: Look) -> None:
    """A bar; its length goes with the root of the count, so that ten classes are still seen beside a thousand units."""
    from matplotlib.patches import Rectangle

    wide = max(0.04, 0.9 * math.sqrt(count / widest))
    ax.add_patch(Rectangle((_GLYPH - wide / 2, y - 0.06), wide, 0.12, facecolor=look.lines[1], edgecolor="none"))
