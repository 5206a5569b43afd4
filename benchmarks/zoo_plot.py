"""The picture of docs/zoo.md, from the figures that were kept."""

from __future__ import annotations

from matplotlib.figure import Figure

import kept as keeping
from mnistkit._core.style import dress, look_of, one_axes
from mnistkit.metrics import Proportion
from mnistkit.plots import Theme

# Parameters, and the accuracy on MNIST's test images in per cent.
PUBLISHED = {
    "LeNet-1": (2_600, 98.3),
    "LeNet-4": (17_000, 98.9),
    "LeNet-5": (60_000, 99.05),
    "LeNet-5, distorted": (60_000, 99.2),
    "Efficient-CapsNet": (161_000, 99.74),
}


def accuracy_against_size(theme: Theme = "light") -> Figure:
    """Each network's accuracy over its parameters: ours as dots with intervals, published ones as crosses."""
    networks = keeping.read("zoo.json").get("networks", {})
    look = look_of(theme)
    figure, axes = one_axes(None, (7.5, 4.4), theme)
    for name, network in networks.items():
        size, score = network["parameters"], Proportion(network["correct"], network["count"])
        accuracy, low, high = (100 * share for share in (score.accuracy, *score.interval))
        axes.plot([size, size], [low, high], color=look.lines[0], linewidth=1.2)
        axes.plot(size, accuracy, "o", color=look.lines[0])
        axes.annotate(name, (size, high), (-3, 2), textcoords="offset points", color=look.text, fontsize=9, rotation=40)
    for name, (size, accuracy) in PUBLISHED.items():
        axes.plot(size, accuracy, "x", color=look.lines[1])
        axes.annotate(
            name, (size, accuracy), (-7, -3), textcoords="offset points", color=look.faint, fontsize=9, ha="right"
        )
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set(xlabel="parameters", ylabel="right of 10,000 test images (%)")
    dress(axes, theme, grid="both")
    return figure
