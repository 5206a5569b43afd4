"""What stands on a page beside its characters: ruled lines, rings, boxes, strokes that mean nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from mnistkit.synthetic.canvas import IGNORED, Canvas
from mnistkit.synthetic.writer import Writer

__all__ = ["box", "cross_out", "ring", "rules", "scribble", "strike"]


def rules(canvas: Canvas, writer: Writer, pitch: float, first: float) -> None:
    """Ruled or squared paper, with a margin line perhaps."""
    draw = writer.generator
    reach = 0.75 * math.hypot(canvas.width, canvas.height)
    thickness = float(np.clip(pitch * draw.uniform(0.005, 0.05), 0.5, 5))
    strength = int(draw.integers(50, 256))
    squared = draw.random() < 0.35
    step = pitch if not squared else pitch * float(draw.choice([0.33, 0.5, 1.0]))
    step = max(step, 6.0)
    for number_of in range(-int(reach / step) - 1, int(reach / step) + 2):
        offset = first + number_of * step
        canvas.line([(-reach, offset), (reach, offset)], thickness, strength=strength)
        if squared:
            canvas.line([(offset, -reach), (offset, reach)], thickness, strength=strength)
    if not squared and draw.random() < 0.3:
        x = draw.uniform(-0.5, 0.5) * canvas.width
        canvas.line([(x, -reach), (x, reach)], thickness, strength=strength)


def ring(canvas: Canvas, writer: Writer, x: float, y: float, wide: float, tall: float) -> None:
    """Drawn round something by hand, in its ink or in print."""
    draw = writer.generator
    angles = np.linspace(0, 2 * np.pi * draw.uniform(0.93, 1.08), 40) + draw.uniform(0, 6)
    wobble = 1 + draw.normal(0, 0.03) * np.sin(2 * angles + draw.uniform(0, 6))
    places = np.column_stack([x + wide * wobble * np.cos(angles), y + tall * wobble * np.sin(angles)])
    _outline(canvas, writer, places, closed=False)


def box(canvas: Canvas, writer: Writer, x: float, y: float, wide: float, tall: float) -> None:
    """A rectangle round something."""
    places = np.array([(x - wide, y - tall), (x + wide, y - tall), (x + wide, y + tall), (x - wide, y + tall)])
    if writer.generator.random() < 0.4:
        places = places + writer.generator.normal(0, 0.03, places.shape) * (wide + tall)
    _outline(canvas, writer, places, closed=True)


def _outline(canvas: Canvas, writer: Writer, places: np.ndarray, *, closed: bool) -> None:
    draw = writer.generator
    thickness = max(0.7, writer.height * draw.uniform(0.02, 0.14))
    layer = canvas.ink if draw.random() < 0.6 else canvas.print
    canvas.line(places, thickness, strength=int(draw.integers(140, 256)), on=layer, closed=closed)


def strike(canvas: Canvas, writer: Writer, left: float, right: float, y: float) -> None:
    """A line by hand: under something, or through it."""
    draw = writer.generator
    places = [
        (left, y),
        ((left + right) / 2, y + draw.normal(0, 0.03) * writer.height),
        (right, y + draw.normal(0, 0.05) * writer.height),
    ]
    canvas.line(places, max(0.7, writer.height * draw.uniform(0.02, 0.12)), on=canvas.ink, strength=writer.strength)


def cross_out(canvas: Canvas, writer: Writer) -> None:
    """One of the digits scratched out: whether it is still read does not matter."""
    draw = writer.generator
    if not canvas.marks:
        return
    chosen = int(draw.integers(len(canvas.marks)))
    left, top, right, bottom = canvas.marks[chosen].box
    places = np.column_stack([draw.uniform(left - 3, right + 3, 8), draw.uniform(top - 3, bottom + 3, 8)])
    cv2.polylines(
        canvas.ink, [np.rint(places).astype(np.int32)], False, 255, max(1, round(0.06 * (bottom - top))), cv2.LINE_AA
    )
    mark = canvas.marks[chosen]
    canvas.marks[chosen] = replace(mark, label=IGNORED)


def scribble(canvas: Canvas, writer: Writer) -> None:
    """Something by hand that means nothing, away from what is written."""
    draw = writer.generator
    size = writer.height * draw.uniform(0.5, 4)
    x, y = draw.uniform(-0.5, 0.5, 2) * (canvas.width, canvas.height)
    steps = draw.normal(0, 1, (int(draw.integers(5, 40)), 2)).cumsum(axis=0)
    steps = (steps - steps.mean(axis=0)) / (np.abs(steps - steps.mean(axis=0)).max() + 1e-6)
    canvas.line(
        steps * size + (x, y),
        max(0.7, writer.height * draw.uniform(0.02, 0.1)),
        on=canvas.ink,
        strength=writer.strength,
    )
