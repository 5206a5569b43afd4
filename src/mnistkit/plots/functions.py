"""Functions that networks are made of: activations and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mnistkit._core.style import DASHES, AxesGrid, Theme, dress, look_of, one_axes, percent, several_axes
from mnistkit.errors import ConfigError, DataError
from mnistkit.models import activation_layer, list_activations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["activation_functions", "softmax_bars", "softmax_curves"]


def activation_functions(
    names: Sequence[str] | None = None, *, axes: AxesGrid | None = None, theme: Theme = "light"
) -> Figure:
    """Activation functions, and beside them their derivatives: what is left of a gradient that passes through.

    Args:
        names: which; by default all that models take, see :func:`mnistkit.models.list_activations`.
        axes: two, for functions and derivatives; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for an unknown name or theme, too few axes, or no names.

    >>> [ax.get_title() for ax in activation_functions(["relu", "sigmoid"]).axes]
    ['function', 'derivative']
    """
    chosen = list_activations() if names is None else list(names)
    if not chosen:
        raise ConfigError("there are no activation functions to draw")
    look = look_of(theme)
    figure, (values_ax, slopes_ax) = several_axes(axes, 2, 2, (6.8, 3.0), theme)
    for number, name in enumerate(chosen):
        x = torch.linspace(-4, 4, 401, dtype=torch.float64, requires_grad=True)
        y = activation_layer(name)(x)
        (slopes,) = torch.autograd.grad(y.sum(), x)
        colour, dashes = look.lines[number % len(look.lines)], DASHES[number % len(DASHES)]
        for ax, line in ((values_ax, y.detach()), (slopes_ax, slopes)):
            ax.plot(x.detach().numpy(), line.numpy(), linewidth=2, label=name, color=colour, linestyle=dashes)
    values_ax.set_ylim(-1.3, 3.2)
    slopes_ax.set_ylim(-0.3, 1.3)
    values_ax.legend(fontsize=9, loc="upper left")
    for ax, title in ((values_ax, "function"), (slopes_ax, "derivative")):
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("input")
        dress(ax, theme, grid="both")
    return figure


def softmax_curves(classes: Sequence[int] = (2, 3, 10), *, ax: Axes | None = None, theme: Theme = "light") -> Figure:
    """The probability that softmax gives a class, against its logit, with the logits of all others at 0.

    With two classes that is the sigmoid; more classes need a larger logit for the same probability.

    Args:
        classes: a curve for each number of classes.
        ax: where to draw; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        ConfigError: for fewer than two classes, or an unknown theme.
    """
    if not classes or min(classes) < 2:
        raise ConfigError(f"classes is {tuple(classes)}, expected numbers from 2")
    look = look_of(theme)
    figure, ax = one_axes(ax, (4.4, 3.0), theme)
    logits = np.linspace(-8, 8, 321)
    for number, count in enumerate(classes):
        ax.plot(
            logits,
            1 / (1 + (count - 1) * np.exp(-logits)),
            color=look.lines[number % len(look.lines)],
            linestyle=DASHES[number % len(DASHES)],
            linewidth=2,
            label=f"{count} classes",
        )
    ax.set(xlabel="logit of the class (all others 0)", ylabel="probability", ylim=(-0.03, 1.03))
    ax.legend(fontsize=9, loc="upper left")
    dress(ax, theme, grid="both")
    return figure


def softmax_bars(
    logits: Tensor | np.ndarray | Sequence[float],
    *,
    classes: Sequence[str] | None = None,
    axes: AxesGrid | None = None,
    theme: Theme = "light",
) -> Figure:
    """The logits of one image above the probabilities that softmax makes of them; the likeliest class is hatched.

    Args:
        logits: of one image, ``(classes,)``.
        classes: a name for each; by default its number.
        axes: two, for logits and probabilities; by default a new figure.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        DataError: for logits of another shape, or not as many classes.
        ConfigError: for an unknown theme, or too few axes.

    >>> figure = softmax_bars([2.0, 0.0, 0.0], classes=["a", "b", "c"])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['79%', '11%', '11%']
    """
    values = torch.as_tensor(logits).detach().cpu().double()
    names = [str(number) for number in range(values.numel())] if classes is None else list(classes)
    if values.ndim != 1 or not len(values) or len(names) != len(values):
        raise DataError(
            f"got logits of shape {tuple(values.shape)} and {len(names)} classes, expected those of one image, (classes,)"
        )
    look, best = look_of(theme), int(values.argmax())
    width = max(3.2, min(0.44 * len(names) + 0.8, 8.0))
    figure, (logits_ax, probabilities_ax) = several_axes(
        axes, 2, 1, (width, 3.6 if max(map(len, names)) <= 3 else 4.4), theme
    )
    for ax, heights, title, form in (
        (logits_ax, values, "logit", "{:.1f}".format),
        (probabilities_ax, values.softmax(0), "probability", percent),
    ):
        bars = ax.bar(range(len(names)), heights.tolist(), color=look.lines[0], width=0.72)
        bars[best].set(facecolor=look.lines[1], hatch="//", edgecolor=look.paper)
        ax.axhline(0, color=look.faint, linewidth=0.8)
        if len(names) <= 12:
            for place, height in enumerate(heights.tolist()):
                ax.annotate(
                    form(height),
                    (place, height),
                    (0, 2 if height >= 0 else -2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if height >= 0 else "top",
                    fontsize=8,
                    color=look.text,
                )
        ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0)
        if ax is logits_ax and max(map(len, names)) > 3:
            ax.tick_params(axis="x", labelbottom=False)
        ax.set_ylabel(title)
        ax.margins(y=0.18)
        dress(ax, theme, grid="y")
        ax.tick_params(axis="x", length=0)
    probabilities_ax.set_ylim(0, 1.15)
    probabilities_ax.set_yticks([0, 0.5, 1])
    return figure
