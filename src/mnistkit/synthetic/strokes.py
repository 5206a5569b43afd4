"""Digits drawn by a random pen: the ways to write that MNIST's writers, Americans of the 1990s, hardly used."""

from __future__ import annotations

import numpy as np

from mnistkit.data.datasets import DigitDataset
from mnistkit.data.sources import MNIST_MEAN_STD
from mnistkit.errors import ConfigError
from mnistkit.imaging import frame_image
from mnistkit.seeding import derive_seed
from mnistkit.synthetic.pen import draw_strokes, vary_strength
from mnistkit.synthetic.stroke_styles import STYLES
from mnistkit.types import SplitName

__all__ = ["draw_digits"]

# The narrowest and the widest of a digit, as shares of its usual width: a 1 with a broad foot is rare.
_WIDTHS, _WIDTHS_OF_1 = (0.5, 1.0), (0.35, 1.0)


def draw_digits(count: int, *, seed: int = 0, split: SplitName = "train") -> DigitDataset:
    """Draw digits in many styles: flagged 1, looped 2, closed 4, barred 7, slashed 0, the seven segments of a display.

    The pen's width, the digit's slant and proportions and the hand's steadiness differ from digit to digit; some strokes
    are broken, blurred or pale. Every picture is framed as :class:`mnistkit.Predictor` frames one, and normalised
    like MNIST's training images, which it can join with :func:`mnistkit.data.concatenate`.

    Args:
        count: how many; every digit equally often, in turn.
        seed: decides all else. The first digits of a longer series are those of a shorter one.
        split: what they are for. Draw what is to validate with a seed of its own.

    Raises:
        ConfigError: for a count below 1.

    >>> from mnistkit.synthetic import draw_digits
    >>> draw_digits(20, seed=7)
    DigitDataset(strokes train: 20 images of 1x28x28, 10 classes)
    """
    if count < 1:
        raise ConfigError(f"count is {count}, expected at least 1")
    generator = np.random.default_rng(derive_seed(seed, "strokes"))
    labels = np.arange(count) % len(STYLES)
    frames = np.stack([_frame(digit, generator) for digit in labels.tolist()])
    return DigitDataset.from_arrays(
        frames, labels, split=split, name="strokes", source=f"drawn with seed {seed}", mean_std=MNIST_MEAN_STD
    )


def _frame(digit: int, generator: np.random.Generator) -> np.ndarray:
    styles = tuple(STYLES[digit].values())
    style = styles[generator.integers(len(styles))]
    picture = draw_strokes(style, generator, _WIDTHS_OF_1 if digit == 1 else _WIDTHS)
    return vary_strength(frame_image(picture), generator)
