"""Pictures for docs/performance.md, from the figures that were kept."""

from __future__ import annotations

from matplotlib.figure import Figure

import kept as keeping
from mnistkit._core.style import dress, look_of, one_axes
from mnistkit.plots import Theme
from speed.timing import median


def whole_process(theme: Theme = "light") -> Figure:
    """The seconds of each contestant's whole process, ours first: a bar for the median, a line for all runs."""
    part = keeping.read("performance.json")["results"]["process"]
    figures: dict[str, list[float]] = part["figures"]
    ours: str = part["reference"]
    names = [ours, *sorted((name for name in figures if name != ours), key=lambda name: median(figures[name]))]
    look = look_of(theme)
    figure, axes = one_axes(None, (7.5, 3.6), theme)
    for place, name in enumerate(names):
        seconds = figures[name]
        axes.barh(place, median(seconds), 0.62, color=look.lines[0] if name == ours else look.grid)
        axes.plot([min(seconds), max(seconds)], [place, place], color=look.text, linewidth=1.2)
        label = f"{median(seconds):.1f} s"
        if name != ours:
            label += f", {median(seconds) / median(figures[ours]):.1f} x"
        axes.annotate(label, (max(seconds), place), (6, 0), textcoords="offset points", va="center", color=look.text)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds: import, one epoch of lenet5, evaluation")
    dress(axes, theme, grid="x")
    return figure
