"""Pictures of no digit: what a network must see to learn when not to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from mnistkit.data.datasets import DigitDataset
from mnistkit.data.sources import MNIST_MEAN_STD
from mnistkit.errors import BlankImageError, ConfigError, DataError
from mnistkit.imaging import frame_image, frame_ink
from mnistkit.seeding import derive_seed
from mnistkit.synthetic.letter_styles import LETTERS, SIGNS
from mnistkit.synthetic.pen import SIDE, draw_lines, draw_strokes, smooth, vary_strength
from mnistkit.types import SplitName

__all__ = ["draw_distractors"]

_Kind: TypeAlias = Callable[[np.random.Generator, DigitDataset], np.ndarray]

# How much narrower or wider than they are given letters and signs are drawn.
_WIDTHS = (0.5, 1.1)
# A left or right half of one of these is no digit. (The right half of a 9 is a 1, the lower half of a 6 is a 0.)
_HALVED = (0, 2, 3, 5, 8)
# What is narrower than this looks like a 1, wherever it comes from.
_NARROWEST = 0.4
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def draw_distractors(count: int, digits: DigitDataset, *, seed: int = 0, split: SplitName = "train") -> DigitDataset:
    """Draw what is no digit, framed like digits: the classes are its kinds.

    ``letter`` and ``sign`` are drawn by the same pen as :func:`mnistkit.synthetic.draw_digits` has (letters that look like a
    digit are left out), ``scribble`` at random; ``print`` is text of several letters, ``texture`` noise of any grain;
    ``pair`` and ``part`` are two digits taken for one and pieces of digits, as a bad segmentation leaves them.

    Args:
        count: how many; every kind equally often, in turn.
        digits: the source of pairs and parts, of one channel and 28x28 pixels, with labels 0 to 9.
        seed: decides all else. The first of a longer series are those of a shorter one.
        split: what they are for; give it digits of the same split.

    Raises:
        ConfigError: for a count below 1.
        DataError: for digits of another split, size or number of classes.

    >>> from mnistkit.synthetic import draw_distractors
    >>> draw_distractors(14, load_mnist().train)
    DigitDataset(distractors train: 14 images of 1x28x28, 7 classes)
    """
    if count < 1:
        raise ConfigError(f"count is {count}, expected at least 1")
    if digits.split != split or tuple(digits.images.shape[1:]) != (1, 28, 28) or len(digits.classes) != 10:
        raise DataError(
            f"cannot take parts of {digits!r} for {split}; expected 1x28x28 images of the ten digits, of {split}"
        )
    generator = np.random.default_rng(derive_seed(seed, "distractors"))
    labels = np.arange(count) % len(_KINDS)
    kinds = list(_KINDS.values())
    frames = np.stack([_frame(kinds[label], generator, digits) for label in labels.tolist()])
    return DigitDataset.from_arrays(
        frames,
        labels,
        classes=tuple(_KINDS),
        split=split,
        name="distractors",
        source=f"drawn with seed {seed}",
        mean_std=MNIST_MEAN_STD,
    )


def _frame(kind: _Kind, generator: np.random.Generator, digits: DigitDataset) -> np.ndarray:
    while True:
        try:
            return vary_strength(kind(generator, digits), generator)
        except BlankImageError:  # faint noise, or a part without ink
            continue


def _letter(generator: np.random.Generator, _: DigitDataset) -> np.ndarray:
    styles = tuple(LETTERS.values())
    return frame_image(draw_strokes(styles[generator.integers(len(styles))], generator, _WIDTHS))


def _sign(generator: np.random.Generator, _: DigitDataset) -> np.ndarray:
    styles = tuple(SIGNS.values())
    return frame_image(draw_strokes(styles[generator.integers(len(styles))], generator, _WIDTHS))


def _scribble(generator: np.random.Generator, _: DigitDataset) -> np.ndarray:
    """Up and down, round and round, or anywhere."""
    count = int(generator.integers(7, 30))
    way = generator.integers(3)
    if way == 0:
        x = np.linspace(0.1, 0.9, count)
        y = np.where(np.arange(count) % 2, 0.15, 0.85) + generator.normal(0, 0.08, count)
    elif way == 1:
        angle = np.linspace(0, 0.8 * count, count) + generator.uniform(0, 6)
        radius = np.linspace(0.02, 0.4, count)
        x, y = 0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)
    else:
        x, y = generator.uniform(0.1, 0.9, (2, count))
    points = np.stack([x, y], axis=1) * SIDE
    if generator.random() < 0.5:
        points = points[:, ::-1]
    return frame_image(draw_lines([smooth(points) if generator.random() < 0.7 else points], generator))


def _print(generator: np.random.Generator, _: DigitDataset) -> np.ndarray:
    letters = "ABCDEFGHKMNPQRTUVWXYabcdefghkmnpqrtuvwxy"
    text = "".join(generator.choice(list(letters), generator.integers(2, 7)))
    font = _FONTS[generator.integers(len(_FONTS))]
    thickness = int(generator.integers(1, 4))
    (width, height), below = cv2.getTextSize(text, font, 1.0, thickness)
    picture = np.zeros((height + below + 8, width + 8), dtype=np.uint8)
    cv2.putText(picture, text, (4, height + 4), font, 1.0, 255, thickness, cv2.LINE_AA)
    return frame_ink(picture, picture > 0)


def _texture(generator: np.random.Generator, _: DigitDataset) -> np.ndarray:
    """Noise of any grain, alike in all directions or not, cut into black and white or not."""
    grain = generator.uniform(0.3, 8, 2) if generator.random() < 0.5 else np.repeat(generator.uniform(0.3, 8), 2)
    noise = cv2.GaussianBlur(generator.normal(size=(SIDE, SIDE)), (0, 0), sigmaX=grain[0], sigmaY=grain[1])
    noise = (noise - noise.mean()) / noise.std()
    if generator.random() < 0.5:
        noise = 3.0 * (noise > generator.uniform(0, 1.5))
    picture: np.ndarray = np.clip(noise * 85, 0, 255).astype(np.uint8)
    if generator.random() < 0.5:
        # A spot of it on empty ground.
        y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
        a, b = generator.uniform(0.3, 0.9, 2)
        picture[(x / a) ** 2 + (y / b) ** 2 > 1] = 0
    return frame_image(picture)


def _pair(generator: np.random.Generator, digits: DigitDataset) -> np.ndarray:
    """Two digits side by side, touching or nearly so."""
    first, second = (_cut_out(_digit(generator, digits)) for _ in range(2))
    gap = int(generator.integers(-3, 4))
    picture = np.zeros((28, first.shape[1] + second.shape[1] + gap), dtype=np.uint8)
    for image, left in ((first, 0), (second, first.shape[1] + gap)):
        top = int(generator.integers(0, 28 - image.shape[0] + 1))
        place = picture[top : top + image.shape[0], left : left + image.shape[1]]
        np.maximum(place, image, out=place)
    return frame_ink(picture, picture > 0)


def _part(generator: np.random.Generator, digits: DigitDataset) -> np.ndarray:
    """The left or the right half of a digit, or the upper or the lower one of a 0."""
    while True:
        sideways = generator.random() < 0.8
        image = _cut_out(_digit(generator, digits, _HALVED if sideways else (0,)))
        lines = image.T if sideways else image
        keep = max(3, round(len(lines) * generator.uniform(0.3, 0.5)))
        lines = lines[:keep] if generator.random() < 0.5 else lines[-keep:]
        part = lines.T if sideways else lines
        if part.any() and part.shape[1] > _NARROWEST * part.shape[0]:
            return frame_ink(part, part > 0)


def _digit(
    generator: np.random.Generator, digits: DigitDataset, wanted: tuple[int, ...] = tuple(range(10))
) -> np.ndarray:
    while True:
        number = int(generator.integers(len(digits)))
        if int(digits.labels[number]) in wanted:
            image: np.ndarray = digits.images[number, 0].numpy()
            return image


def _cut_out(image: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


_KINDS: dict[str, _Kind] = {
    "letter": _letter,
    "sign": _sign,
    "scribble": _scribble,
    "print": _print,
    "texture": _texture,
    "pair": _pair,
    "part": _part,
}
