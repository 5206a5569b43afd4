"""Drawn pictures: digits as people write them, and what is no digit."""

from mnistkit.synthetic.canvas import Mark as Mark
from mnistkit.synthetic.distractors import draw_distractors as draw_distractors
from mnistkit.synthetic.pages import Page as Page
from mnistkit.synthetic.pages import PagePainter as PagePainter
from mnistkit.synthetic.strokes import draw_digits as draw_digits
