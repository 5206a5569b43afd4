"""How characters are arranged on a page: lines, tables, forms, single digits, displays, words."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mnistkit.synthetic.canvas import Canvas
from mnistkit.synthetic.clutter import box, ring, rules, scribble, strike
from mnistkit.synthetic.glyphs import Display
from mnistkit.synthetic.writer import Writer, figure, label, number, phrase, word

__all__ = ["LAYOUTS"]


def lines(canvas: Canvas, writer: Writer) -> None:
    """Rows of numbers, and perhaps of words among them."""
    draw = writer.generator
    words = float(draw.choice([0.0, 0.0, 0.0, 0.2, 0.6, 1.0]))
    amounts = float(draw.choice([0.0, 0.0, 0.3, 0.8]))
    pitch = writer.height * draw.uniform(1.15, 2.5)
    count = int(np.clip(canvas.height / pitch * draw.uniform(0.3, 1.1), 1, 14))
    indent = -0.5 * canvas.width * draw.uniform(0.5, 1.0)
    ruled = draw.random()
    y = -0.5 * pitch * (count - 1) + draw.normal(0, 0.05) * canvas.height
    if ruled < 0.3:
        rules(canvas, writer, pitch, y + writer.height * draw.uniform(0.3, 0.75))
    for _ in range(count):
        text = phrase(draw, words, amounts, writer.labelled)
        left = indent + abs(draw.normal(0, 0.05)) * canvas.width
        right = writer.write(canvas, text, left, y)
        if draw.random() < 0.06:
            strike(canvas, writer, left, right, y + 0.65 * writer.height)
        writer.lines += 1
        y += pitch


def string(canvas: Canvas, writer: Writer) -> None:
    """One number, as large as the page allows."""
    draw = writer.generator
    text = figure(draw) if draw.random() < 0.25 else number(draw)
    if draw.random() < 0.15:
        text = f"{word(draw, writer.labelled)} {text}"
    if writer.labelled and draw.random() < 0.2 * writer.labelled:
        text = label(draw)
    width = writer.measure(text)
    writer.write(canvas, text, -width / 2 + draw.normal(0, 0.04) * canvas.width, draw.normal(0, 0.05) * canvas.height)
    if draw.random() < 0.25:
        y = writer.height * draw.uniform(0.45, 0.8)
        strike(canvas, writer, -width * draw.uniform(0.3, 0.8), width * draw.uniform(0.3, 0.8), y)
    writer.lines += 1


def single(canvas: Canvas, writer: Writer) -> None:
    """One digit, perhaps in a ring or a box."""
    draw = writer.generator
    height = writer.height
    x, y = draw.normal(0, 0.06, 2) * canvas.width
    writer.write(canvas, number(draw, 1), x - 0.3 * height, y)
    writer.lines += 1
    way = draw.random()
    if way < 0.35:
        ring(canvas, writer, x, y, height * draw.uniform(0.62, 1.1), height * draw.uniform(0.65, 1.1))
    elif way < 0.6:
        box(canvas, writer, x, y, height * draw.uniform(0.6, 1.0), height * draw.uniform(0.6, 1.0))


def scattered(canvas: Canvas, writer: Writer) -> None:
    """Digits, letters and signs anywhere, of many sizes."""
    draw = writer.generator
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(draw.integers(2, 20))):
        height = float(np.clip(writer.height * math.exp(draw.normal(0, 0.5)), 9, 1.2 * canvas.height))
        x, y = draw.uniform(-0.5, 0.5, 2) * (canvas.width, canvas.height)
        if any(math.hypot(x - u, y - v) < 0.75 * (height + other) for u, v, other in taken):
            continue
        taken.append((x, y, height))
        text = number(draw, 1) if draw.random() < 0.65 else word(draw, writer.labelled)[: int(draw.integers(2, 5))]
        writer.write(canvas, text, x - 0.3 * height, y, height=height)
        writer.lines += 1
        if draw.random() < 0.2:
            ring(canvas, writer, x, y, height * draw.uniform(0.65, 1.0), height * draw.uniform(0.65, 1.0))
        elif draw.random() < 0.1:
            box(canvas, writer, x, y, height * draw.uniform(0.6, 0.9), height * draw.uniform(0.6, 0.9))


def table(canvas: Canvas, writer: Writer) -> None:
    """Ruled cells, many of them empty."""
    draw = writer.generator
    share = draw.uniform(0.3, 0.85)
    wide = 1 if draw.random() < 0.6 else int(draw.integers(2, 4))
    tall = writer.height / share
    across = tall * draw.uniform(0.85, 1.4) * (1 if wide == 1 else 0.6 * wide)
    columns = int(np.clip(canvas.width / across * draw.uniform(0.6, 1.2), 2, 12))
    rows = int(np.clip(canvas.height / tall * draw.uniform(0.6, 1.2), 2, 14))
    left, top = -0.5 * columns * across, -0.5 * rows * tall
    thin = float(np.clip(tall * draw.uniform(0.01, 0.06), 0.5, 6))
    thick = thin * (draw.uniform(1.5, 3) if draw.random() < 0.5 else 1)
    strength = int(draw.integers(90, 256))
    if draw.random() < 0.88:
        for row in range(rows + 1):
            y = top + row * tall
            canvas.line([(left, y), (left + columns * across, y)], thick if row % 3 == 0 else thin, strength=strength)
        for column in range(columns + 1):
            x = left + column * across
            canvas.line([(x, top), (x, top + rows * tall)], thick if column % 3 == 0 else thin, strength=strength)
    filled, headed = draw.uniform(0.2, 1.0), draw.random() < 0.3
    for row in range(rows):
        written = len(canvas.marks)
        for column in range(columns):
            if draw.random() > filled:
                continue
            head = headed and (row == 0 or column == 0)
            text = word(draw, writer.labelled)[:4] if head else number(draw, wide)
            height = min(writer.height, across * 0.9) * (0.6 if head else 1)
            x = left + column * across + max(0.0, across - 0.7 * height * len(text)) * draw.uniform(0.2, 0.8)
            y = top + (row + 0.5) * tall + draw.normal(0, 0.05) * tall
            writer.write(canvas, text, x, y, height=height)
        writer.lines += len(canvas.marks) > written


def form(canvas: Canvas, writer: Writer) -> None:
    """A digit in each of a row of boxes, or on a comb."""
    draw = writer.generator
    cell = writer.height * draw.uniform(1.05, 1.9)
    wide = max(cell * draw.uniform(0.75, 1.1), 0.8 * writer.height)
    gap = wide * (draw.uniform(0.05, 0.5) if draw.random() < 0.4 else 0)
    count = int(np.clip(canvas.width / (wide + gap) * draw.uniform(0.5, 1.1), 2, 12))
    kind = draw.choice(["boxes", "comb", "lines"])
    thickness = float(np.clip(cell * draw.uniform(0.01, 0.07), 0.6, 7))
    strength = int(draw.integers(100, 256))
    rows = int(np.clip(canvas.height / (1.8 * cell) * draw.uniform(0.2, 1), 1, 6))
    for row in range(rows):
        middle = (row - (rows - 1) / 2) * cell * draw.uniform(1.5, 1.9)
        left = -0.5 * count * (wide + gap)
        for place in range(count):
            x = left + place * (wide + gap)
            y0, y1 = middle - cell / 2, middle + cell / 2
            if kind == "boxes":
                canvas.line(
                    [(x, y0), (x + wide, y0), (x + wide, y1), (x, y1)], thickness, strength=strength, closed=True
                )
            elif kind == "comb":
                up = y1 - cell * draw.uniform(0.2, 0.3)
                canvas.line([(x, up), (x, y1), (x + wide, y1), (x + wide, up)], thickness, strength=strength)
            else:
                canvas.line([(x + 0.1 * wide, y1), (x + 0.9 * wide, y1)], thickness, strength=strength)
            if draw.random() < 0.85:
                text = number(draw, 1)
                x += draw.uniform(0.1, 0.3) * wide
                writer.write(canvas, text, x, middle + draw.normal(0, 0.04) * cell)
        writer.lines += 1


def display(canvas: Canvas, writer: Writer) -> None:
    """The number on a meter."""
    draw = writer.generator
    writer.hand = Display(draw)
    writer.unsteady = 0.0
    writer.spacing = draw.uniform(0.08, 0.4)
    writer.slant = float(draw.choice([0.0, draw.uniform(0, 0.2)]))
    text = number(draw, 6)
    if draw.random() < 0.4 and len(text) > 1:
        place = int(draw.integers(1, len(text)))
        text = f"{text[:place]}.{text[place:]}"
    if draw.random() < 0.15:
        text = "-" + text
    if draw.random() < 0.1:
        text += "C"
    width = writer.measure(text)
    writer.write(canvas, text, -width / 2, draw.normal(0, 0.05) * canvas.height)
    writer.lines += 1
    if draw.random() < 0.5:
        box(canvas, writer, 0, 0, width * draw.uniform(0.55, 0.8), writer.height * draw.uniform(0.65, 1.1))


def prose(canvas: Canvas, writer: Writer) -> None:
    """Words without a digit."""
    draw = writer.generator
    pitch = writer.height * draw.uniform(1.3, 2.2)
    count = int(np.clip(canvas.height / pitch * draw.uniform(0.3, 1), 1, 14))
    for row in range(count):
        text = " ".join(word(draw) for _ in range(int(draw.integers(1, 6))))
        writer.write(canvas, text, -0.5 * canvas.width * draw.uniform(0.6, 1), (row - (count - 1) / 2) * pitch)


def empty(canvas: Canvas, writer: Writer) -> None:
    """Nothing but lines and scribbles."""
    draw = writer.generator
    if draw.random() < 0.5:
        rules(canvas, writer, writer.height * draw.uniform(0.8, 2), 0.0)
    for _ in range(int(draw.integers(0, 6))):
        scribble(canvas, writer)


#: By name: what fills the page, and how often it is drawn.
LAYOUTS: dict[str, tuple[Callable[[Canvas, Writer], None], float]] = {
    "lines": (lines, 0.26),
    "string": (string, 0.22),
    "single": (single, 0.09),
    "scattered": (scattered, 0.08),
    "table": (table, 0.13),
    "form": (form, 0.07),
    "display": (display, 0.1),
    "prose": (prose, 0.15),
    "empty": (empty, 0.03),
}
