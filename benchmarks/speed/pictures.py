"""From a picture's path to its label: a small drawing and a photo of 12 megapixels, alone and many at once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from mnistkit import Predictor, load_mnist
from speed.timing import Clock, Contestant, alternate, part, seconds_of_each

_MANY = 2000


def _photo() -> np.ndarray:
    """A seven in pen on paper that is lit from one side, with a camera's noise, uint8 ``(3000, 4000, 3)``."""
    paper = np.full((3000, 4000, 3), 215, dtype=np.uint8)
    corners = np.array([(1300, 700), (2600, 650), (1800, 2400)], dtype=np.int32)
    cv2.polylines(paper, [corners], isClosed=False, color=(40, 40, 70), thickness=90, lineType=cv2.LINE_AA)
    return photographed(paper, np.random.default_rng(0))


def photographed(paper: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Paper ``(H, W, C)``, 0 to 255, lit from one side, with a camera's noise, uint8."""
    light = np.linspace(0.6, 1, paper.shape[1])[None, :, None]
    noise = draw.normal(0, 6, paper.shape)
    lit: np.ndarray = np.clip(paper * light + noise, 0, 255).astype(np.uint8)
    return lit


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Milliseconds for one picture, the median of a run; of many, those of each."""
    digit = load_mnist().test.images[0, 0].numpy()
    predictors = {"torch": Predictor(), "onnx": Predictor(backend="onnx")}

    def alone(predictor: Predictor, file: Path, times: int) -> Contestant:
        return seconds_of_each(lambda: predictor.predict(str(file)), times, scale=1e3)

    def together(predictor: Predictor) -> Contestant:
        def run() -> float:
            start = Clock.now()
            predictor.predict([digit] * _MANY)
            return 1e3 * (Clock.now() - start) / _MANY

        return run

    with tempfile.TemporaryDirectory() as folder:
        drawing, photo = Path(folder, "drawing.png"), Path(folder, "photo.jpg")
        PIL.Image.fromarray(255 - digit).save(drawing)
        PIL.Image.fromarray(_photo()).save(photo, quality=92)
        contestants: dict[str, Contestant] = {}
        for name, predictor in predictors.items():
            contestants[f"28x28 PNG, backend {name}"] = alone(predictor, drawing, 200)
            contestants[f"12-megapixel JPEG, backend {name}"] = alone(predictor, photo, 20)
            contestants[f"each of {_MANY:,} arrays of 28x28 at once, backend {name}"] = together(predictor)
        figures = alternate(contestants, runs)
    return part(
        "A picture, from its path to its label, with the weights that ship",
        "ms",
        figures,
        "28x28 PNG, backend torch",
        "2 ms for the small one, 60 ms for the photo",
    )
