"""Who fills a page, and with which habits."""

import numpy as np
import pytest

from mnistkit.synthetic.canvas import Canvas
from mnistkit.synthetic.glyphs import Display
from mnistkit.synthetic.writer import Writer


@pytest.mark.parametrize(("foot", "edge"), [(0.0, "middle"), (1.0, "bottom")])
def test_a_digit_may_be_lower_than_the_others_on_the_line_or_in_its_middle(foot, edge):
    draw = np.random.default_rng(0)
    canvas = Canvas(300, 120)
    writer = Writer(Display(draw), draw, 40.0, unsteady=0.0, sizes={"0": 0.5}, foot=foot)
    writer.write(canvas, "80", -100, 0)
    eight, zero = (mark.box for mark in canvas.marks)
    heights = [bottom - top for _, top, _, bottom in (eight, zero)]
    assert heights[1] == pytest.approx(heights[0] / 2, abs=2)
    at = {"middle": lambda box: (box[1] + box[3]) / 2, "bottom": lambda box: box[3]}[edge]
    assert at(zero) == pytest.approx(at(eight), abs=2)
