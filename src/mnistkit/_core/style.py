"""How every figure looks: two themes, and colours that a colour-blind reader can tell apart.

Each theme paints its own opaque background. Colours that work on white and on black at once are all middling greys, too
faint on either; a picture with its background is readable wherever it is shown. Nothing is read from or written to
matplotlib's global settings but font and resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from mnistkit.errors import ConfigError, MissingExtraError, unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = [
    "DASHES",
    "AxesGrid",
    "Look",
    "Theme",
    "colour_bar",
    "dress",
    "look_of",
    "one_axes",
    "percent",
    "several_axes",
]

Theme: TypeAlias = Literal["light", "dark"]
#: Axes to draw on, in reading order: a list, or the array that ``figure.subplots`` returns.
AxesGrid: TypeAlias = "Sequence[Axes] | np.ndarray"

_DPI = 150


@dataclass(frozen=True)
class Look:
    """The colours of a theme.

    Attributes:
        paper: background.
        text: of titles and labels.
        faint: of ticks, frames and what is beside the point.
        grid: of grid lines.
        lines: for data: those of Okabe & Ito 2008, made darker or lighter, the most different ones first.
        wrong: for mistakes, always together with a mark.
    """

    paper: str
    text: str
    faint: str
    grid: str
    lines: tuple[str, ...]
    wrong: str


_LOOKS: dict[str, Look] = {
    "light": Look(
        paper="#ffffff",
        text="#1b1f24",
        faint="#59636e",
        grid="#dde1e6",
        lines=("#0072b2", "#b84a00", "#a8437f", "#00795a", "#8a6100", "#3a3f45"),
        wrong="#b84a00",
    ),
    "dark": Look(
        paper="#15191e",
        text="#eceff2",
        faint="#a3acb6",
        grid="#343b43",
        lines=("#56b4e9", "#e69f00", "#e58fc0", "#2bc49a", "#f0e442", "#d5d9de"),
        wrong="#ff9142",
    ),
}

#: Lines differ in their dashes too, for those who print in grey.
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))


def look_of(theme: str) -> Look:
    """The colours of a theme.

    Raises:
        ConfigError: for an unknown one.
    """
    if theme not in _LOOKS:
        raise ConfigError(unknown_name("theme", theme, get_args(Theme)))
    return _LOOKS[theme]


def one_axes(
    ax: Axes | None, size: tuple[float, float], theme: str, user: str = "mnistkit.plots"
) -> tuple[Figure, Axes]:
    """The axes given and their figure, or new ones of a size in inches, for this user."""
    figure, (axes,) = several_axes(None if ax is None else [ax], 1, 1, size, theme, user)
    return figure, axes


def several_axes(
    axes: AxesGrid | None,
    count: int,
    columns: int,
    size: tuple[float, float],
    theme: str,
    user: str = "mnistkit.plots",
) -> tuple[Figure, list[Axes]]:
    """The first ``count`` of the axes given and their figure, or new ones in so many columns, for this user.

    Raises:
        MissingExtraError: without matplotlib.
        ConfigError: for an unknown theme, or too few axes.
    """
    look = look_of(theme)
    try:
        from matplotlib.figure import Figure

        from mnistkit._core.figure import NotebookFigure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", user) from error
    if axes is not None:
        given: list[Axes] = list(np.ravel(np.asarray(axes, dtype=object)))
        if len(given) < count:
            raise ConfigError(f"got {len(given)} axes, expected {count}")
        # Of axes in a subfigure, the figure around it.
        figure = given[0].figure.figure
        assert isinstance(figure, Figure)
        return figure, given[:count]
    figure = NotebookFigure(figsize=size, dpi=_DPI, layout="constrained", facecolor=look.paper)
    rows = -(-count // columns)
    grid = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for unused in grid[count:]:
        unused.remove()
    return figure, list(grid[:count])


def dress(ax: Axes, theme: str, *, grid: Literal["x", "y", "both"] | None = None, frame: bool = True) -> None:
    """Give finished axes the theme's colours; without a frame, no spines and ticks either."""
    look = look_of(theme)
    ax.set_facecolor(look.paper if frame else "none")
    ax.title.set_color(look.text)
    ax.xaxis.label.set_color(look.text)
    ax.yaxis.label.set_color(look.text)
    ax.tick_params(which="both", color=look.faint, labelcolor=look.text)
    for side, spine in ax.spines.items():
        spine.set_color(look.faint)
        spine.set_visible(frame and side in ("left", "bottom"))
    if grid is not None:
        ax.set_axisbelow(True)
        ax.grid(True, axis=grid, color=look.grid, linewidth=0.8)
    if not frame:
        ax.tick_params(which="both", length=0)
    legend = ax.get_legend()
    if legend is not None:
        legend.get_frame().set(facecolor=look.paper, edgecolor=look.grid, alpha=0.9)
        for text in legend.get_texts():
            text.set_color(look.text)


def colour_bar(
    ax: Axes, image: AxesImage, theme: str, *, label: str = "", form: Callable[[float, int], str] | None = None
) -> None:
    """A scale beside an image, exactly as high as it."""
    look = look_of(theme)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.02, 0, 0.025, 1)), format=form)
    bar.set_label(label, color=look.text, fontsize=9)
    bar.ax.tick_params(color=look.faint, labelcolor=look.text, labelsize=8)
    bar.ax.locator_params(axis="y", nbins=5)
    bar.outline.set_edgecolor(look.faint)


def percent(probability: float) -> str:
    """A probability in whole percent; certainty is not claimed where there is none.

    >>> percent(0.5), percent(0.9998), percent(1e-5)
    ('50%', '>99%', '<1%')
    """
    text = f"{probability:.0%}"
    if text == "100%" and probability < 1:
        return ">99%"
    return "<1%" if text == "0%" and probability > 0 else text
