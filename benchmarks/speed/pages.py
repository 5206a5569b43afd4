"""From a page's path to its text: a number on a small photo, lines of digits, and a page of 12 megapixels."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from mnistkit import Predictor, load_mnist
from mnistkit.synthetic.canvas import Canvas
from mnistkit.synthetic.glyphs import Handwriting, Images
from mnistkit.synthetic.writer import Writer
from speed.pictures import photographed
from speed.timing import Contestant, alternate, part, seconds_of_each

# By what stands on a page: its width and height, the lines, the digits in each, and their height.
_PAGES = {
    "640x480 JPEG, 5 digits": ((640, 480), 1, 5, 60.0),
    "640x480 JPEG, 40 digits in 4 lines": ((640, 480), 4, 10, 44.0),
    "12-megapixel JPEG, 100 digits in 10 lines": ((4000, 3000), 10, 10, 160.0),
}


def _page(size: tuple[int, int], lines: int, digits: int, tall: float) -> np.ndarray:
    """MNIST's validation digits in ink on paper that is lit from one side, with a camera's noise, uint8 ``(H, W, 3)``."""
    draw, (width, height) = np.random.default_rng(0), size
    canvas = Canvas(width, height)
    writer = Writer(Handwriting(Images(load_mnist().validation), 0), draw, tall, spacing=0.25)
    for line in range(lines):
        text = "".join(map(str, draw.integers(0, 10, digits)))
        writer.write(canvas, text, -writer.measure(text) / 2, height * ((line + 0.5) / lines - 0.5))
    return np.repeat(photographed((215 - 0.7 * canvas.ink)[..., None], draw), 3, axis=2)


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Milliseconds for one page, the median of a run."""
    reader = Predictor()
    with tempfile.TemporaryDirectory() as folder:
        contestants: dict[str, Contestant] = {}
        for number, (name, about) in enumerate(_PAGES.items()):
            file = Path(folder, f"{number}.jpg")
            PIL.Image.fromarray(_page(*about)).save(file, quality=92)
            contestants[name] = seconds_of_each(functools.partial(reader.read, file), 5, scale=1e3)
        figures = alternate(contestants, runs)
    return part(
        "A page, from its path to its text, with the weights that ship",
        "ms",
        figures,
        next(iter(_PAGES)),
        "80 ms for the small ones, 600 ms for the large one",
    )
