"""Digits drawn by a random pen: the ways to write that MNIST's writers, Americans of the 1990s, hardly used."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mnistkit.data._stroke_styles import STYLES, Point, Style
from mnistkit.data.datasets import DigitDataset
from mnistkit.data.sources import MNIST_MEAN_STD
from mnistkit.errors import ConfigError
from mnistkit.imaging import frame_image
from mnistkit.seeding import derive_seed
from mnistkit.types import SplitName

__all__ = ["draw_digits"]

# Side of the canvas, and how much of it the longer side of a digit takes; the rest is paper.
_SIDE = 96
_EXTENT = 0.8 * _SIDE
# OpenCV takes coordinates in eighths of a pixel.
_SUBPIXEL_BITS = 3
# A Catmull-Rom spline: the weights of four neighbouring points at eight places between the middle two, (8, 4).
_BETWEEN = np.vander(np.arange(8) / 8, 4, increasing=True) @ (
    np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
)


def draw_digits(count: int, *, seed: int = 0, split: SplitName = "train") -> DigitDataset:
    """Draw digits in many styles: flagged 1, looped 2, closed 4, barred 7, slashed 0, the seven segments of a display.

    The pen's width, the digit's slant and proportions and the hand's steadiness differ from digit to digit; some strokes
    are broken, blurred or pale. Every picture is framed as :class:`mnistkit.Predictor` frames one, and normalised
    like MNIST's training images, which it can join with :func:`mnistkit.data.concatenate`.

    Args:
        count: how many; every digit equally often, in turn.
        seed: decides all else. The first digits of a longer series are those of a shorter one.
        split: what they are for. Draw what is to validate with a seed of its own.

    Raises:
        ConfigError: for a count below 1.

    >>> from mnistkit.data import draw_digits
    >>> draw_digits(20, seed=7)
    DigitDataset(strokes train: 20 images of 1x28x28, 10 classes)
    """
    if count < 1:
        raise ConfigError(f"count is {count}, expected at least 1")
    generator = np.random.default_rng(derive_seed(seed, "strokes"))
    labels = np.arange(count) % len(STYLES)
    frames = np.stack([_frame(_draw(digit, generator), generator) for digit in labels.tolist()])
    return DigitDataset.from_arrays(
        frames, labels, split=split, name="strokes", source=f"drawn with seed {seed}", mean_std=MNIST_MEAN_STD
    )


def _frame(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """As MNIST has it, uint8 ``(1, 28, 28)``."""
    frame = frame_image(picture, size=(28, 28), framing="mnist")
    # Framing brings the strongest pixel to white: in a picture with one dark spot the strokes stay pale.
    strength = generator.uniform(0.5, 1) if generator.random() < 0.3 else 1.0
    return np.rint(frame * strength).astype(np.uint8)


def _draw(digit: int, generator: np.random.Generator) -> np.ndarray:
    """White on black, uint8 ``(96, 96)``."""
    styles = tuple(STYLES[digit].values())
    lines = _slant(_trace(styles[generator.integers(len(styles))], generator), digit, generator)
    picture = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
    # From a hairline to a felt-tip: 0.6 to 2.6 pixels in a frame of 20.
    width = round(generator.uniform(2.2, 10))
    for line in lines:
        places = np.rint(line * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.polylines(picture, [places], False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    if generator.random() < 0.1:
        # The pen skips.
        x, y = generator.choice(np.concatenate(lines)).astype(int).tolist()
        cv2.circle(picture, (x, y), int(generator.integers(2, 5)), 0, cv2.FILLED)
    if generator.random() < 0.3:
        cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.8, 2.5), dst=picture)
    return picture


def _trace(style: Style, generator: np.random.Generator) -> list[np.ndarray]:
    """The path of the pen in each stroke, ``(points, 2)``, with every joint a little out of its place."""
    unsteadiness = generator.uniform(0, 5)
    joints: dict[Point, np.ndarray] = {}
    lines = []
    for stroke in style:
        for point in stroke.points:
            if point not in joints:
                joints[point] = point + generator.normal(0, unsteadiness, 2)
        line = np.stack([joints[point] for point in stroke.points])
        # Hasty writers round the corners.
        hasty = generator.random() < 0.2
        lines.append(_smooth(line) if stroke.curved or hasty else line)
    return lines


def _smooth(line: np.ndarray) -> np.ndarray:
    """A curve through all points, ``(n, 2)`` to ``(8 * (n - 1) + 1, 2)``; a closed one has no corner where it closes."""
    if np.array_equal(line[0], line[-1]):
        before, after = line[-2], line[1]
    else:
        before, after = 2 * line[0] - line[1], 2 * line[-1] - line[-2]
    windows = np.lib.stride_tricks.sliding_window_view(np.stack([before, *line, after]), 4, axis=0)
    return np.concatenate([(windows @ _BETWEEN.T).transpose(0, 2, 1).reshape(-1, 2), line[-1:]])


def _slant(lines: list[np.ndarray], digit: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Turned, slanted (rather to the right, as most people write), made narrower, and fitted into the canvas."""
    angle = math.radians(generator.normal(0, 6))
    shear = generator.normal(-0.05, 0.18)
    # A 1 with a broad foot is rare.
    narrow = generator.uniform(0.35, 0.9) if digit == 1 else generator.uniform(0.5, 1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = [line @ (turn @ np.array([[narrow, shear], [0, 1]])).T for line in lines]
    everything = np.concatenate(turned)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = _EXTENT / (high - low).max()
    return [(line - (low + high) / 2) * scale + _SIDE / 2 for line in turned]
