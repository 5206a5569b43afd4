"""Paper, light and camera: what lies under the ink of a drawn page, and what happens to it on its way to a file."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["draw_ground", "draw_light", "photograph", "weave"]


def weave(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A texture of values about 0 of deviation 1, float32 ``(H, W)``: grain, wood, cloth, clouds, or stripes."""
    way = generator.integers(6)
    texture: np.ndarray
    if way == 0:
        texture = generator.standard_normal((height, width), dtype=np.float32)
        if generator.random() < 0.7:
            texture = cv2.GaussianBlur(texture, (0, 0), generator.uniform(0.5, 2.5))
    elif way == 1:
        # Wood: noise stretched along one direction, waving a little.
        rows = generator.standard_normal((height, max(2, width // 40)), dtype=np.float32)
        texture = cv2.resize(
            cv2.GaussianBlur(rows, (0, 0), sigmaX=0.1, sigmaY=generator.uniform(0.6, 4)), (width, height)
        )
        if generator.random() < 0.5:
            texture = cv2.resize(np.ascontiguousarray(texture.T), (width, height))
    elif way == 2:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        a, b = generator.uniform(0.1, 1.5, 2).astype(np.float32)
        texture = np.sin(a * x) * np.sin(b * y)
    elif way == 3:
        coarse = generator.standard_normal(
            (int(generator.integers(3, 12)), int(generator.integers(3, 12))), dtype=np.float32
        )
        texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    elif way == 4:
        # Blocks of one tone: tiles, prints, objects out of focus.
        coarse = generator.standard_normal(
            (int(generator.integers(2, 9)), int(generator.integers(2, 9))), dtype=np.float32
        )
        texture = cv2.GaussianBlur(
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST), (0, 0), generator.uniform(0.5, 4)
        )
    else:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        a, b = generator.uniform(-0.6, 0.6, 2).astype(np.float32)
        texture = np.sin(a * x + b * y)
    even: np.ndarray = (texture - texture.mean()) / (texture.std() + 1e-3)
    return even


def draw_ground(generator: np.random.Generator, height: int, width: int, *, plain: float = 0.4) -> np.ndarray:
    """Paper or what it lies on, float32 ``(H, W)`` from 0 to 255, without its light."""
    level = generator.uniform(150, 250)
    ground = np.full((height, width), level, np.float32)
    if generator.random() < plain:
        return ground
    ground += weave(generator, height, width) * np.float32(generator.exponential(5))
    return ground


def draw_light(generator: np.random.Generator, height: int, width: int) -> np.ndarray | None:
    """What share of its light each pixel gets, float32 ``(H, W)``; ``None`` for even light."""
    if generator.random() < 0.35:
        return None
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    a, b = generator.normal(0, 0.25, 2).astype(np.float32)
    light = 1 + a * x + b * y
    if generator.random() < 0.3:
        # A lamp, or the dark corners of a lens.
        u, v = generator.uniform(-0.7, 0.7, 2).astype(np.float32)
        light -= np.float32(generator.uniform(0, 0.35)) * ((x - u) ** 2 + (y - v) ** 2)
    if generator.random() < 0.3:
        # A shadow with an edge, soft or hard.
        angle = generator.uniform(0, 6.3)
        side = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + np.float32(generator.uniform(-0.6, 0.6))
        soft = np.float32(generator.uniform(0.01, 0.4))
        light *= 1 - np.float32(generator.uniform(0.1, 0.6)) / (1 + np.exp(np.clip(-side / soft * 3, -30, 30)))
    share: np.ndarray = np.clip(light / max(float(light.max()), 0.1), 0.12, 1).astype(np.float32)
    return share


def photograph(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A float32 picture from 0 to 255 as a camera, a scanner or a program leaves it, uint8."""
    way = generator.random()
    if way < 0.25:  # a drawing or a screenshot: nothing happens
        drawn: np.ndarray = np.clip(picture, 0, 255).astype(np.uint8)
        return drawn
    if generator.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.3, 1.4))
    if generator.random() < 0.05:
        long = int(generator.integers(2, 6))
        kernel = np.full((1, long), 1 / long, np.float32)
        picture = cv2.filter2D(picture, -1, kernel if generator.random() < 0.5 else kernel.T)
    if generator.random() < 0.3:
        low, high = generator.uniform(0, 70), generator.uniform(150, 255)
        picture = low + picture * ((high - low) / 255)
    if generator.random() < 0.6:
        noise: np.ndarray = generator.standard_normal(picture.shape, dtype=np.float32) * np.float32(
            generator.exponential(4)
        )
        if generator.random() < 0.4:
            noise = cv2.GaussianBlur(noise, (0, 0), 0.8)
        picture = picture + noise
    pixels: np.ndarray = np.clip(picture, 0, 255).astype(np.uint8)
    if generator.random() < 0.3:
        _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(generator.integers(12, 90))])
        pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE))
    return pixels
