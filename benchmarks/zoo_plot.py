"""The pictures of docs/zoo.md, from the figures that were kept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure

import kept as keeping
from mnistkit._core.style import dress, look_of, one_axes
from mnistkit.metrics import Proportion
from mnistkit.plots import Theme
from mnistkit.recipes import get_recipe

# The accuracy on MNIST's test images in per cent, by the number of parameters ...
PUBLISHED_SIZES = {
    "LeNet-1": (2_600, 98.3),
    "LeNet-4": (17_000, 98.9),
    "LeNet-5": (60_000, 99.05),
    "LeNet-5, distorted": (60_000, 99.2),
    "Efficient-\nCapsNet": (161_000, 99.74),
}
# ... and by the seconds of training: all of train_mnist_fast, on a laptop's GPU (GeForce GTX 1660 Ti).
PUBLISHED_SECONDS = {
    "train_mnist_fast": (0.76, 99.0),
    "PyTorch's example, to 99 %": (57.4, 99.07),
    "PyTorch's example": (172, 99.185),
}

# Places so close, by a factor, share a column of text; and so long, by a factor, is the name beside a cross.
_NEAR, _NAME = 1.25, 2.6


def accuracy_against_size(theme: Theme = "light") -> Figure:
    """Each network's accuracy over its parameters: ours as dots with intervals, published ones as crosses."""
    networks = keeping.read("zoo.json").get("networks", {})
    ours = {name: (network["parameters"], network["correct"], network["count"]) for name, network in networks.items()}
    return _accuracy_against("parameters", ours, PUBLISHED_SIZES, theme, below=True)


def accuracy_against_seconds(theme: Theme = "light") -> Figure:
    """The mean accuracy of each network's seeds over the processor time of its training."""
    ours = {}
    for name, runs in keeping.read("zoo.json")["results"].items():
        if get_recipe(name).dataset != "mnist":
            continue
        timed = [run for run in runs.values() if run.get("core seconds") and "test" in run and not keeping.on_gpu(run)]
        if timed:
            seconds = statistics.median(run["core seconds"] for run in timed)
            correct = statistics.mean(run["test"][0] for run in timed)
            ours[name] = (seconds, round(correct), timed[0]["test"][1])
    return _accuracy_against("seconds of training, on one core", ours, PUBLISHED_SECONDS, theme, below=False)


def _accuracy_against(
    what: str,
    ours: Mapping[str, tuple[float, int, int]],
    published: Mapping[str, tuple[float, float]],
    theme: Theme,
    *,
    below: bool,
) -> Figure:
    """Names stand below our intervals and left of published crosses, or above and to the right, whichever covers less."""
    look = look_of(theme)
    figure, axes = one_axes(None, (7.5, 5.4), theme)
    crosses, last = list(published.values()), 0.0
    for name, (place, correct, count) in sorted(ours.items(), key=lambda item: item[1]):
        low, high = (100 * bound for bound in Proportion(correct, count).interval)
        axes.plot([place, place], [low, high], color=look.lines[0], linewidth=1.2)
        axes.plot(place, 100 * correct / count, "o", color=look.lines[0])
        # A name that would cover a cross with its name, or the name before it, stands on the other side.
        covers = any(place / _NEAR < other < _NAME * place and accuracy < low for other, accuracy in crosses)
        close = place <= _NEAR * last
        under = not covers and not close if below else close
        last = place if under == below else last
        axes.annotate(
            name,
            (place, low if under else high),
            (0, -4) if under else (0, 4),
            textcoords="offset points",
            color=look.text,
            fontsize=9,
            rotation=90,
            ha="center",
            va="top" if under else "bottom",
        )
    side, align = (-7, "right") if below else (7, "left")
    for name, (place, accuracy) in published.items():
        axes.plot(place, accuracy, "x", color=look.lines[1])
        axes.annotate(
            name, (place, accuracy), (side, 3), textcoords="offset points", color=look.faint, fontsize=9, ha=align
        )
    axes.set_xscale("log")
    axes.margins(0.15, 0.3)
    axes.set(xlabel=what, ylabel="right of 10,000 test images (%)")
    dress(axes, theme, grid="both")
    return figure
