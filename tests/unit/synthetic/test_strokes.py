import itertools

import numpy as np
import pytest
import torch

from mnistkit.errors import ConfigError
from mnistkit.synthetic import draw_digits
from mnistkit.synthetic.pen import smooth, trace
from mnistkit.synthetic.stroke_styles import STYLES

EVERY_STYLE = {f"{digit}, {name}": strokes for digit, styles in enumerate(STYLES) for name, strokes in styles.items()}


@pytest.fixture(scope="module")
def drawn():
    return draw_digits(500, seed=3)


def test_they_say_what_they_are(drawn):
    assert repr(drawn) == "DigitDataset(strokes train: 500 images of 1x28x28, 10 classes)"
    assert drawn.source == "drawn with seed 3"
    assert draw_digits(1, split="validation").split == "validation"


def test_every_digit_comes_equally_often_in_turn(drawn):
    assert drawn.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert torch.bincount(drawn.labels).tolist() == [50] * 10


def test_they_are_prepared_like_mnists_training_images(drawn, mnist):
    assert drawn.preprocessing == mnist.train.preprocessing
    assert drawn.classes == mnist.train.classes


def test_the_seed_decides_everything(drawn):
    assert torch.equal(draw_digits(40, seed=3).images, drawn.images[:40])
    assert not (draw_digits(40, seed=4).images == drawn.images[:40]).all((1, 2, 3)).any()


def test_the_global_random_numbers_are_neither_used_nor_moved():
    np.random.seed(1)
    torch.manual_seed(1)
    before = draw_digits(20)
    following = np.random.random(), torch.rand(())
    np.random.seed(1)
    torch.manual_seed(1)
    assert following == (np.random.random(), torch.rand(()))
    assert before.fingerprint == draw_digits(20).fingerprint


def test_no_two_are_alike(drawn):
    assert len(torch.unique(drawn.images, dim=0)) == 500


def test_they_fill_mnists_frame_and_are_centred_in_it(drawn):
    ink = drawn.images[:, 0].float()
    places = torch.arange(28.0)
    for axis in (1, 2):
        profile = ink.sum(3 - axis)
        centre = (profile * places).sum(1) / profile.sum(1)
        assert (centre - 14).abs().max() < 1.5
    heights, widths = (ink > 0).any(2).sum(1), (ink > 0).any(1).sum(1)
    longest = torch.maximum(heights, widths)
    assert longest.min() >= 17
    assert longest.max() <= 24


def test_thin_and_thick_dark_and_pale_strokes_occur(drawn):
    share = drawn.images.float().mean((1, 2, 3)) / drawn.images.amax((1, 2, 3)) * (drawn.labels != 1)
    share = share[share > 0]
    assert share.max() > 2 * share.min()
    strength = drawn.images.amax((1, 2, 3))
    assert 0.15 < (strength < 250).float().mean() < 0.45
    assert strength.min() >= 100


def test_a_neighbour_in_mnist_reads_most_of_them(drawn, mnist):
    """A style in the wrong row of the table, or upside down, would be read as something else."""
    known = mnist.train.take_per_class(300)

    def features(images):
        small = torch.nn.functional.avg_pool2d(images.float() / images.amax((1, 2, 3), keepdim=True), 2)
        return torch.nn.functional.normalize(small.flatten(1))

    nearest = (features(drawn.images) @ features(known.images).T).topk(3).indices
    read = known.labels[nearest].mode(1).values
    right = torch.stack([(read == drawn.labels)[drawn.labels == digit].float().mean() for digit in range(10)])
    assert right.mean() > 0.6
    assert right.min() > 0.3


def test_the_styles_that_mnist_lacks_are_there():
    names = [" ".join(styles) for styles in STYLES]
    assert len(names) == 10
    for digit, style in ((0, "slashed"), (1, "flagged"), (2, "looped"), (4, "closed"), (7, "barred")):
        assert style in names[digit]
    assert all("segments" in names[digit] for digit in (0, 2, 3, 4, 5, 6, 7, 8, 9))


def test_a_style_is_at_least_one_stroke_that_fills_its_box():
    for name, strokes in EVERY_STYLE.items():
        points = np.array([point for stroke in strokes for point in stroke.points])
        assert all(len(stroke.points) >= 2 for stroke in strokes), name
        assert all(a != b for stroke in strokes for a, b in itertools.pairwise(stroke.points)), name
        assert points.min() >= 0, name
        assert points.max() <= 100, name
        assert np.ptp(points[:, 1]) >= 85, name


def test_strokes_that_meet_go_on_meeting_when_the_hand_shakes():
    for name, strokes in EVERY_STYLE.items():
        lines = trace(strokes, np.random.default_rng(8))
        ends = {}
        for stroke, line in zip(strokes, lines, strict=True):
            for point, place in ((stroke.points[0], line[0]), (stroke.points[-1], line[-1])):
                np.testing.assert_array_equal(ends.setdefault(point, place), place, name)
                assert np.abs(place - point).max() < 30, name


def test_a_curve_goes_through_all_its_points():
    points = np.random.default_rng(0).uniform(0, 100, (6, 2))
    curve = smooth(points)
    assert curve.shape == (41, 2)
    np.testing.assert_allclose(curve[::8], points)


def test_a_curve_through_points_on_a_line_is_that_line():
    curve = smooth(np.array([[0.0, 0.0], [10.0, 20.0], [20.0, 40.0]]))
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0])
    assert (np.diff(curve[:, 0]) > 0).all()


def test_a_closed_curve_has_no_corner_where_it_closes():
    angles = np.arange(9) * np.pi / 4
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points[-1] = points[0]
    radii = np.linalg.norm(smooth(points), axis=1)
    np.testing.assert_allclose(radii, 1, atol=0.02)


@pytest.mark.parametrize("count", [0, -5])
def test_none_are_not_a_data_set(count):
    with pytest.raises(ConfigError, match=f"^count is {count}, expected at least 1$"):
        draw_digits(count)
