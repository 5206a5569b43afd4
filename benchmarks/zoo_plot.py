"""The pictures of docs/zoo.md, from the figures that were kept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure

import kept as keeping
from mnistkit._core.style import dress, look_of, one_axes
from mnistkit.metrics import Proportion
from mnistkit.plots import Theme

# The accuracy on MNIST's test images in per cent, by the number of parameters ...
PUBLISHED_SIZES = {
    "LeNet-1": (2_600, 98.3),
    "LeNet-4": (17_000, 98.9),
    "LeNet-5": (60_000, 99.05),
    "LeNet-5, distorted": (60_000, 99.2),
    "Efficient-CapsNet": (161_000, 99.74),
}
# ... and by the seconds of training: all of train_mnist_fast, on a laptop's GPU (GeForce GTX 1660 Ti).
PUBLISHED_SECONDS = {
    "train_mnist_fast": (0.76, 99.0),
    "PyTorch's example, to 99 %": (57.4, 99.07),
    "PyTorch's example": (172, 99.185),
}


def accuracy_against_size(theme: Theme = "light") -> Figure:
    """Each network's accuracy over its parameters: ours as dots with intervals, published ones as crosses."""
    networks = keeping.read("zoo.json").get("networks", {})
    ours = {name: (network["parameters"], network["correct"], network["count"]) for name, network in networks.items()}
    return _accuracy_against("parameters", ours, PUBLISHED_SIZES, theme, right=False)


def accuracy_against_seconds(theme: Theme = "light") -> Figure:
    """The mean accuracy of each network's seeds over the processor time of its training."""
    ours = {}
    for name, runs in keeping.read("zoo.json")["results"].items():
        timed = [run for run in runs.values() if run.get("core seconds") and "test" in run]
        if timed:
            seconds = statistics.median(run["core seconds"] for run in timed)
            correct = statistics.mean(run["test"][0] for run in timed)
            ours[name] = (seconds, round(correct), timed[0]["test"][1])
    return _accuracy_against("seconds of training, on one core", ours, PUBLISHED_SECONDS, theme, right=True)


def _accuracy_against(
    what: str,
    ours: Mapping[str, tuple[float, int, int]],
    published: Mapping[str, tuple[float, float]],
    theme: Theme,
    *,
    right: bool,
) -> Figure:
    """Names of published networks stand to the right of their crosses, or to the left."""
    look = look_of(theme)
    figure, axes = one_axes(None, (7.5, 5.4), theme)
    near = 0.0
    for name, (place, correct, count) in sorted(ours.items(), key=lambda item: item[1]):
        low, high = (100 * bound for bound in Proportion(correct, count).interval)
        axes.plot([place, place], [low, high], color=look.lines[0], linewidth=1.2)
        axes.plot(place, 100 * correct / count, "o", color=look.lines[0])
        # Names of neighbours would cover each other: the second one's stands below.
        below = place < 1.3 * near
        near = 0.0 if below else place
        axes.annotate(
            name,
            (place, low if below else high),
            (3, -2) if below else (-3, 2),
            textcoords="offset points",
            color=look.text,
            fontsize=9,
            rotation=65,
            ha="right" if below else "left",
            va="top" if below else "baseline",
        )
    side, align = (7, "left") if right else (-7, "right")
    for name, (place, accuracy) in published.items():
        axes.plot(place, accuracy, "x", color=look.lines[1])
        axes.annotate(
            name, (place, accuracy), (side, 3), textcoords="offset points", color=look.faint, fontsize=9, ha=align
        )
    axes.set_xscale("log")
    axes.margins(0.15)
    axes.set(xlabel=what, ylabel="right of 10,000 test images (%)")
    dress(axes, theme, grid="both")
    return figure
