"""Characters cut out of a page by their boxes: the ink of each, without what passes through or stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mnistkit.imaging.canonical import frame_ink

__all__ = ["frame_boxes"]

# So much around a box, in units of its longer side and at least so many pixels, shows the paper and where strokes lead.
_MARGIN, _LEAST_MARGIN = 0.15, 2
# Larger cuts are scaled down to this side.
_SIDE = 96
# Less contrast than this, of 255, is none.
_LEAST_CONTRAST = 6.0
# Ink is at least this share of Otsu's threshold between paper and strokes: their edges count.
_EDGE = 0.75
# A part is the character's if this share of it lies in the box, or if it has this share of all the ink there; what has less
# than the third is dust.
_INSIDE, _MAIN, _DUST = 0.6, 0.35, 0.02


def frame_boxes(page: np.ndarray, boxes: np.ndarray, *, size: tuple[int, int] = (28, 28)) -> np.ndarray:
    """Bring characters to MNIST's frame.

    Args:
        page: uint8 ``(H, W)``, grey.
        boxes: left, top, right and bottom edges, float ``(N, 4)``, in pixels.
        size: height and width of a frame.

    Returns:
        uint8 ``(N, 1, height, width)``, light ink on black; black where there is no ink.
    """
    frames = np.zeros((len(boxes), 1, *size), np.uint8)
    for number, box in enumerate(boxes.tolist()):
        ink, mask = _cut(page, box)
        if mask.any():
            frames[number] = frame_ink(ink, mask, size=size)
    return frames


def _cut(page: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The ink about a box, uint8 ``(h, w)``, and which of its pixels are the character's, bool ``(h, w)``."""
    left, top, right, bottom = box
    margin = max(_MARGIN * max(right - left, bottom - top), _LEAST_MARGIN)
    x0, y0 = max(0, round(left - margin)), max(0, round(top - margin))
    x1, y1 = min(page.shape[1], round(right + margin)), min(page.shape[0], round(bottom + margin))
    cut = page[y0:y1, x0:x1]
    scale = min(1.0, _SIDE / max(cut.shape))
    if scale < 1:
        cut = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    within = np.zeros(cut.shape, np.bool_)
    rows = slice(max(0, round((top - y0) * scale)), round((bottom - y0) * scale) + 1)
    columns = slice(max(0, round((left - x0) * scale)), round((right - x0) * scale) + 1)
    within[rows, columns] = True
    ink = _ink(cut, within)
    if not ink.any():
        return ink, np.zeros(cut.shape, np.bool_)
    return ink, _mask(ink, within)


def _ink(cut: np.ndarray, within: np.ndarray) -> np.ndarray:
    """What differs from the paper around the box, in the direction in which most does, at full strength."""
    around = cut[~within]
    paper = _quantile(around if around.size > 8 else cut.ravel(), 0.5)
    away = cut.astype(np.float32) - paper
    dark, light = np.maximum(-away, 0), np.maximum(away, 0)
    ink: np.ndarray = dark if (dark[within] ** 2).sum() >= (light[within] ** 2).sum() else light
    strongest = _quantile(ink[within], 0.98)
    if strongest < _LEAST_CONTRAST:
        return np.zeros(cut.shape, np.uint8)
    full: np.ndarray = np.minimum(ink * (255 / strongest), 255).astype(np.uint8)
    return full


def _quantile(values: np.ndarray, share: float) -> float:
    """The value, of some, that has this share of them below it: numpy's own takes ten times as long for so few."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _mask(ink: np.ndarray, within: np.ndarray) -> np.ndarray:
    threshold, _ = cv2.threshold(ink[within], 0, 255, cv2.THRESH_OTSU)
    _, labels = cv2.connectedComponents((ink > _EDGE * threshold).astype(np.uint8), connectivity=8)
    whole, inside = np.bincount(labels.ravel()), np.bincount(labels[within], minlength=int(labels.max()) + 1)
    inside[0] = 0
    total = inside.sum()
    mostly = inside >= _INSIDE * whole
    mine = (inside >= _DUST * total) & (mostly | (inside >= _MAIN * total))
    # What ends within the cut is taken whole, even if the box is a little too small; what goes on beyond it is cut off.
    ends = mine & mostly
    ends[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = False
    mask: np.ndarray = (mine[labels] & within) | ends[labels]
    return mask
