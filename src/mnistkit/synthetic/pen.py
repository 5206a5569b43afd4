"""A pen in a random hand: strokes drawn on a small canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from mnistkit.synthetic.stroke_styles import Point, Stroke

__all__ = ["SIDE", "draw_lines", "draw_strokes", "smooth", "trace", "vary_strength"]

# Side of the canvas, and how much of it the longer side of a digit takes; the rest is paper.
SIDE = 96
_EXTENT = 0.8 * SIDE
# OpenCV takes coordinates in eighths of a pixel.
_SUBPIXEL_BITS = 3
# A Catmull-Rom spline: the weights of four neighbouring points at eight places between the middle two, (8, 4).
_BETWEEN = np.vander(np.arange(8) / 8, 4, increasing=True) @ (
    np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
)


def vary_strength(frame: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A frame, or a paler one."""
    # Framing brings the strongest pixel to white: in a picture with one dark spot the strokes stay pale.
    strength = generator.uniform(0.5, 1) if generator.random() < 0.3 else 1.0
    return np.rint(frame * strength).astype(np.uint8)


def draw_strokes(
    strokes: Sequence[Stroke],
    generator: np.random.Generator,
    widths: tuple[float, float],
    pen: float | None = None,
) -> np.ndarray:
    """White on black, uint8 ``(96, 96)``, by a hand of its own; ``widths`` are the least and the greatest stretch."""
    return draw_lines(_slant(trace(strokes, generator), generator, widths), generator, pen)


def draw_lines(lines: Sequence[np.ndarray], generator: np.random.Generator, pen: float | None = None) -> np.ndarray:
    """The paths ``(points, 2)`` of a pen of this or a random width, uint8 ``(96, 96)``; some broken, some blurred."""
    picture = np.zeros((SIDE, SIDE), dtype=np.uint8)
    # From a hairline to a felt-tip: 0.6 to 2.6 pixels in a frame of 20.
    width = max(1, round(generator.uniform(2.2, 10) if pen is None else pen))
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


def trace(strokes: Sequence[Stroke], generator: np.random.Generator) -> list[np.ndarray]:
    """The path of the pen in each stroke, ``(points, 2)``, with every joint a little out of its place."""
    unsteadiness = generator.uniform(0, 5)
    joints: dict[Point, np.ndarray] = {}
    lines = []
    for stroke in strokes:
        for point in stroke.points:
            if point not in joints:
                joints[point] = point + generator.normal(0, unsteadiness, 2)
        line = np.stack([joints[point] for point in stroke.points])
        # Hasty writers round the corners.
        hasty = generator.random() < 0.2
        lines.append(smooth(line) if stroke.curved or hasty else line)
    return lines


def smooth(line: np.ndarray) -> np.ndarray:
    """A curve through all points, ``(n, 2)`` to ``(8 * (n - 1) + 1, 2)``; a closed one has no corner where it closes."""
    if np.array_equal(line[0], line[-1]):
        before, after = line[-2], line[1]
    else:
        before, after = 2 * line[0] - line[1], 2 * line[-1] - line[-2]
    windows = np.lib.stride_tricks.sliding_window_view(np.stack([before, *line, after]), 4, axis=0)
    return np.concatenate([(windows @ _BETWEEN.T).transpose(0, 2, 1).reshape(-1, 2), line[-1:]])


def _slant(lines: list[np.ndarray], generator: np.random.Generator, widths: tuple[float, float]) -> list[np.ndarray]:
    """Turned, slanted (rather to the right, as most people write), made narrower, and fitted into the canvas."""
    angle = math.radians(generator.normal(0, 6))
    shear = generator.normal(-0.05, 0.18)
    narrow = generator.uniform(*widths)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = [line @ (turn @ np.array([[narrow, shear], [0, 1]])).T for line in lines]
    everything = np.concatenate(turned)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = _EXTENT / (high - low).max()
    return [(line - (low + high) / 2) * scale + SIDE / 2 for line in turned]
