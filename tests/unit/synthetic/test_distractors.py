import itertools

import numpy as np
import pytest
import torch

from mnistkit.data import DigitDataset
from mnistkit.errors import ConfigError, DataError
from mnistkit.synthetic import draw_distractors
from mnistkit.synthetic.letter_styles import LETTERS, SIGNS
from mnistkit.synthetic.pen import SIDE, draw_lines, draw_strokes, vary_strength

KINDS = ("letter", "sign", "scribble", "print", "texture", "pair", "part")

STYLES = LETTERS | SIGNS


@pytest.fixture(scope="module")
def drawn(mnist):
    return draw_distractors(350, mnist.train, seed=3)


def test_they_say_what_they_are(drawn, mnist):
    assert repr(drawn) == "DigitDataset(distractors train: 350 images of 1x28x28, 7 classes)"
    assert drawn.source == "drawn with seed 3"
    assert drawn.classes == KINDS
    assert drawn.preprocessing == mnist.train.preprocessing
    assert draw_distractors(1, mnist.validation, split="validation").split == "validation"


def test_every_kind_comes_equally_often_in_turn(drawn):
    assert drawn.labels[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert torch.bincount(drawn.labels).tolist() == [50] * 7


def test_the_seed_decides_everything(drawn, mnist):
    assert torch.equal(draw_distractors(21, mnist.train, seed=3).images, drawn.images[:21])
    assert not (draw_distractors(21, mnist.train, seed=4).images == drawn.images[:21]).all((1, 2, 3)).any()


def test_the_global_random_numbers_are_neither_used_nor_moved(mnist):
    np.random.seed(1)
    torch.manual_seed(1)
    before = draw_distractors(14, mnist.train)
    following = np.random.random(), torch.rand(())
    np.random.seed(1)
    torch.manual_seed(1)
    assert following == (np.random.random(), torch.rand(()))
    assert before.fingerprint == draw_distractors(14, mnist.train).fingerprint


def test_no_two_are_alike(drawn):
    assert len(torch.unique(drawn.images, dim=0)) == 350


def test_they_are_framed_like_digits(drawn):
    ink = drawn.images[:, 0]
    heights, widths = (ink > 0).any(2).sum(1), (ink > 0).any(1).sum(1)
    longest = torch.maximum(heights, widths)
    assert longest.min() >= 12
    assert longest.max() <= 24
    assert longest.float().mean() > 19
    strength = ink.amax((1, 2))
    assert strength.min() >= 100
    assert 0.1 < (strength < 250).float().mean() < 0.5


def test_pairs_are_wide_and_parts_are_no_ones(drawn):
    ink = drawn.images[:, 0] > 0
    heights, widths = ink.any(2).sum(1), ink.any(1).sum(1)
    pairs, parts = drawn.labels == KINDS.index("pair"), drawn.labels == KINDS.index("part")
    assert (widths[pairs] > heights[pairs]).float().mean() > 0.6
    assert (widths[parts] >= 0.3 * heights[parts]).all()


def test_half_a_digit_differs_from_every_whole_one(drawn, mnist):
    """A part is cut from one of the digits that were given; none is one of them as it was."""
    parts = drawn.images[drawn.labels == KINDS.index("part")]
    known = {image.numpy().tobytes() for image in mnist.train.images[:5000]}
    assert not any(image.numpy().tobytes() in known for image in parts)


@pytest.mark.parametrize("count", [0, -5])
def test_none_are_not_a_data_set(count, mnist):
    with pytest.raises(ConfigError, match=f"^count is {count}, expected at least 1$"):
        draw_distractors(count, mnist.train)


def test_digits_of_another_split_would_leak(mnist):
    with pytest.raises(
        DataError, match=r"^cannot take parts of DigitDataset\(mnist test: .*\) for train; expected .* train$"
    ):
        draw_distractors(1, mnist.test)
    with pytest.raises(DataError, match=r"for validation; expected 1x28x28 images of the ten digits, of validation$"):
        draw_distractors(1, mnist.train, split="validation")


def test_digits_of_another_size_or_kind_are_refused(mnist):
    two = DigitDataset.from_arrays(torch.eye(28).byte().expand(2, -1, -1), torch.tensor([0, 1]), classes=["a", "b"])
    for digits in (mnist.train[:10].crop(20), two):
        with pytest.raises(DataError, match=r"cannot take parts of .*; expected 1x28x28 images of the ten digits"):
            draw_distractors(1, digits)


def test_a_style_is_at_least_one_stroke_in_its_box():
    for name, strokes in STYLES.items():
        points = np.array([point for stroke in strokes for point in stroke.points])
        assert all(len(stroke.points) >= 2 for stroke in strokes), name
        assert all(a != b for stroke in strokes for a, b in itertools.pairwise(stroke.points)), name
        assert points.min() >= 0, name
        assert points.max() <= 100, name
        assert np.ptp(points, axis=0).max() >= 60, name


def test_letters_that_look_like_digits_are_left_out():
    written = {name.split()[0] for name in LETTERS}
    assert not written & set("bgIilOoqSsZz")
    assert len(written) >= 35
    assert all(len(letter) == 1 for letter in written)


def test_every_style_can_be_drawn():
    for name, strokes in STYLES.items():
        picture = draw_strokes(strokes, np.random.default_rng(0), (0.7, 1.0))
        assert (picture.shape, picture.dtype) == ((SIDE, SIDE), np.uint8), name
        assert picture.max() > 120, name
        # It is fitted into the canvas, but for the width and the blur of a felt-tip.
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (border > 30).mean() < 0.1, name


def test_pens_skip_and_blur_now_and_then():
    line = [np.array([(10.0, 48.0), (86.0, 48.0)])]
    pictures = [draw_lines(line, np.random.default_rng(seed)) for seed in range(300)]
    broken = sum((picture[48, 12:84] < 60).any() for picture in pictures)
    blurred = sum(len(np.unique(picture)) > 40 for picture in pictures)
    assert 5 <= broken <= 60
    assert 50 <= blurred <= 130


def test_frames_are_mostly_left_at_full_strength():
    frame = np.full((1, 28, 28), 255, np.uint8)
    strengths = [int(vary_strength(frame, np.random.default_rng(seed)).max()) for seed in range(300)]
    assert 0.6 < np.mean(np.array(strengths) == 255) < 0.8
    assert min(strengths) >= 127
