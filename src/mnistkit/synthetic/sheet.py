"""A sheet of paper: its outline, and the table on which it lies."""

from __future__ import annotations

import cv2
import numpy as np

from mnistkit.synthetic.canvas import Canvas
from mnistkit.synthetic.paper import draw_ground
from mnistkit.synthetic.writer import Writer

__all__ = ["covered", "cut_sheet", "lay_on_table"]


def cut_sheet(canvas: Canvas, writer: Writer) -> np.ndarray:
    """The mask of a sheet that has all marks on it, uint8 ``(H, W)``."""
    draw = writer.generator
    inverse = np.linalg.inv(np.vstack([canvas.matrix, [0, 0, 1]]))[:2]
    corners = [(x, y) for mark in canvas.marks for x in mark.box[::2] for y in mark.box[1::2]]
    if not corners:
        corners = [(0.3 * canvas.width, 0.3 * canvas.height), (0.7 * canvas.width, 0.7 * canvas.height)]
    places = np.array(corners) @ inverse[:, :2].T + inverse[:, 2]
    margin = writer.height * draw.uniform(0.15, 1.5, 4) + 3
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    left, top, right, bottom = left - margin[0], top - margin[1], right + margin[2], bottom + margin[3]
    quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    quad += draw.uniform(0, 0.05, quad.shape) * (right - left) * [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    mask = np.zeros_like(canvas.ink)
    cv2.fillPoly(mask, [np.rint(canvas.points(quad) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return mask


def covered(mask: np.ndarray, box: tuple[float, float, float, float]) -> float:
    """The share of a box that a mask, uint8 ``(H, W)``, covers."""
    left, top, right, bottom = (int(edge) for edge in box)
    return float(mask[top : bottom + 1, left : right + 1].mean()) / 255


def lay_on_table(picture: np.ndarray, sheet: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A picture, float ``(H, W)``, within the mask of its sheet, and a table around it, perhaps a hand that holds it."""
    height, width = sheet.shape
    ground = draw_ground(draw, height, width, plain=0.3) * np.float32(draw.uniform(0.1, 0.95))
    if draw.random() < 0.5:
        shade = cv2.GaussianBlur(sheet, (0, 0), max(1.0, 0.02 * width))
        ground = ground * (1 - shade * np.float32(draw.uniform(0, 0.6) / 255))
    mixed = ground + (picture - ground) * (sheet * np.float32(1 / 255))
    if draw.random() < 0.25:
        _fingers(mixed, sheet, draw)
    return mixed


def _fingers(picture: np.ndarray, sheet: np.ndarray, draw: np.random.Generator) -> None:
    """Of a hand that holds the sheet at its edge."""
    outlines, _ = cv2.findContours((sheet > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return
    edge = outlines[0][:, 0]
    height, width = sheet.shape
    thick = max(3, round(draw.uniform(0.06, 0.14) * width))
    tone = draw.uniform(60, 210)
    for _ in range(int(draw.integers(1, 4))):
        tip = edge[draw.integers(len(edge))].astype(int)
        away = tip - np.array([width / 2, height / 2])
        root = tip + away / (np.linalg.norm(away) + 1e-3) * width
        cv2.line(
            picture,
            tuple(int(n) for n in tip),
            tuple(int(n) for n in root),
            tone * draw.uniform(0.9, 1.1),
            thick,
            cv2.LINE_AA,
        )
