import math

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from mnistkit.errors import ConfigError, DataError
from mnistkit.evaluation import CORRUPTIONS, corrupt
from mnistkit.evaluation.corruptions import affine, blur, light, lines, noise

PAPER = (
    "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate stripe fog spatter dotted_line "
    "zigzag canny_edges"
)
RANDOM = sorted(set(CORRUPTIONS) - {"scale", "brightness", "stripe", "canny_edges"})
GRADED = sorted(set(CORRUPTIONS) - {"stripe", "dotted_line", "zigzag", "canny_edges"})


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.test.images[:64]


@pytest.fixture(scope="module")
def floats(images):
    return images[:, 0].float() / 255


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_there_are_the_fifteen_of_the_paper():
    assert tuple(PAPER.split()) == CORRUPTIONS


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_every_image_and_leaves_the_input_alone(images, name):
    before = images.clone()
    changed = corrupt(images, name)
    assert (changed.dtype, changed.shape, changed.device) == (torch.uint8, images.shape, images.device)
    assert (changed != images).flatten(1).any(1).all()
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_one_seed_gives_one_result(images, name):
    torch.manual_seed(1)
    first = corrupt(images, name, seed=5)
    torch.manual_seed(2)
    assert torch.equal(first, corrupt(images, name, seed=5))
    assert torch.equal(first, corrupt(images, name, seed=6)) == (name not in RANDOM)


@pytest.mark.parametrize("name", RANDOM)
def test_equal_images_are_corrupted_differently(images, name):
    changed = corrupt(images[:1].expand(40, -1, -1, -1), name)
    assert len({image.numpy().tobytes() for image in changed}) > 1


@pytest.mark.parametrize("name", GRADED)
def test_a_higher_severity_changes_more(images, name):
    changes = [(corrupt(images, name, severity=s).float() - images).abs().mean() for s in (1, 5)]
    assert changes[0] < changes[1]


@pytest.mark.parametrize(
    ("name", "severity"),
    {
        "shot_noise": 5, "impulse_noise": 4, "glass_blur": 1, "motion_blur": 1, "shear": 2, "scale": 3, "rotate": 2,
        "brightness": 5, "translate": 3, "fog": 5, "spatter": 4,
    }.items(),
)  # fmt: skip
def test_the_default_severity_is_the_benchmarks(images, name, severity):
    assert torch.equal(corrupt(images, name), corrupt(images, name, severity=severity))


def test_more_images_than_one_part_are_corrupted_in_their_order(mnist):
    many = mnist.test.images[:1100]
    assert torch.equal(corrupt(many, "stripe"), torch.cat([corrupt(one, "stripe") for one in many.split(100)]))
    noisy = corrupt(many, "shot_noise")
    assert len(noisy) == 1100
    # The second part has a stream of its own.
    same = corrupt(many[:1].expand(1100, -1, -1, -1), "shot_noise")
    assert not torch.equal(same[0], same[1024])


def test_no_images_give_no_images(images):
    for name in CORRUPTIONS:
        assert corrupt(images[:0], name).shape == (0, 1, 28, 28)


# ---- each by its definition -------------------------------------------------------------------------------------------


def test_shot_noise_has_the_mean_and_variance_of_photons(generator):
    grey = torch.full((50, 28, 28), 0.6)
    noisy = noise.shot(grey, 12, generator)
    assert noisy.mean() == pytest.approx(0.6, abs=0.005)
    assert noisy.var() == pytest.approx(0.6 / 12, rel=0.03)
    assert torch.equal(noise.shot(torch.zeros(2, 28, 28), 3, generator), torch.zeros(2, 28, 28))


def test_impulse_noise_turns_this_share_black_or_white(generator):
    noisy = noise.impulse(torch.full((50, 28, 28), 0.5), 0.17, generator)
    assert (noisy == 0).float().mean() == pytest.approx(0.085, abs=0.005)
    assert (noisy == 1).float().mean() == pytest.approx(0.085, abs=0.005)
    assert (noisy == 0.5).float().mean() == pytest.approx(0.83, abs=0.01)


@pytest.mark.parametrize("sigma", [0.5, 0.7, 1.5, 4.0])
def test_the_blur_is_scipys(floats, sigma):
    expected = ndimage.gaussian_filter(floats.numpy(), (0, sigma, sigma), mode="nearest", truncate=4)
    np.testing.assert_allclose(blur.gaussian(floats, sigma), expected, atol=1e-6)


def test_glass_swaps_pixels_and_blurs_twice(floats, generator):
    # Swapping alone keeps every pixel's value: what is left of the difference is the blur's own.
    glazed = blur.glass(floats, (0.7, 1, 2), generator)
    twice = blur.gaussian(blur.gaussian(floats, 0.7), 0.7)
    assert glazed.sum((1, 2)).numpy() == pytest.approx(twice.sum((1, 2)).numpy(), rel=0.02)
    assert (glazed - twice).abs().max() > 0.1
    assert torch.allclose(blur.glass(floats, (0.7, 1, 0), generator), twice, atol=1 / 255)
    # A pixel moves by one or two steps a round, so what is far from any ink stays empty.
    far = torch.zeros(1, 28, 28)
    far[0, 14, 14] = 1
    assert blur.glass(far, (0.7, 1, 1), generator)[0, :, 24:].max() == 0


def test_motion_leaves_a_trail_on_one_side_up_to_45_degrees(generator):
    dots = torch.zeros(200, 28, 28)
    dots[:, 14, 20] = 1
    trails = blur.motion(dots, (10, 3), generator)
    _, rows, columns = torch.nonzero(trails > 1e-4, as_tuple=True)
    # The image's light comes from the right, so a dot's trail lies on its left.
    assert columns.max() == 20
    assert columns.min() < 12
    assert ((rows - 14).abs() <= (20 - columns) + 1).all()
    assert {-1, 1} <= set(torch.sign(rows - 14).tolist())
    assert trails.sum((1, 2)).numpy() == pytest.approx(1, abs=0.01)
    # Fading like half a normal distribution.
    along = trails.sum(1).mean(0)[[20, 18, 16, 14, 12]]
    assert (along.diff() < 0).all()
    assert trails[:, 14, 20].unique().numel() == 1


def _inverse(floats, matrix, shift=(0, 0)):
    """For each pixel, what the image has at matrix @ (x, y) + shift from the centre, in OpenCV's words."""
    matrix, centre = np.array(matrix, float), np.array([13.5, 13.5])
    full = np.hstack([matrix, (centre - matrix @ centre + shift)[:, None]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(image, full, (28, 28), flags=flags) for image in floats.numpy()])


def _matches(found, *candidates):
    """Each image is one of the candidates, and each candidate is met; OpenCV counts in 1/32 of a pixel."""
    errors = np.stack([np.abs(found.numpy() - candidate).mean((1, 2)) for candidate in candidates])
    assert errors.min(0).max() < 0.01
    assert set(errors.argmin(0)) == set(range(len(candidates)))


def test_rotation_shear_scale_and_shift_are_opencvs(floats, generator):
    def turn(a):
        return _inverse(floats, [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])

    def slant(a):
        return _inverse(floats, [[1, -math.sin(a)], [0, math.cos(a)]])

    _matches(affine.rotate(floats, 0.4, generator), turn(0.4), turn(-0.4))
    _matches(affine.shear(floats, 0.4, generator), slant(0.4), slant(-0.4))
    _matches(affine.scale(floats, 0.7, generator), _inverse(floats, [[1 / 0.7, 0], [0, 1 / 0.7]]))
    shifts = [_inverse(floats, np.eye(2), (x, y)) for x in (-3, 3) for y in (-3, 3)]
    _matches(affine.translate(floats, 3, generator), *shifts)


def test_an_image_of_any_shape_keeps_its_proportions():
    wide = torch.zeros(1, 20, 40)
    wide[0, 10, 30] = 1
    turned = affine.resample(wide, torch.eye(2)[None], torch.tensor([[5.0, -3.0]]))
    assert torch.nonzero(turned[0] > 0.99).tolist() == [[13, 25]]
    quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
    square = affine.resample(torch.nn.functional.pad(wide, (0, 0, 10, 10)), quarter, torch.zeros(1, 2))
    tall = affine.resample(wide, quarter, torch.zeros(1, 2))
    assert torch.allclose(tall, square[:, 10:30], atol=1e-5)
    assert tall.sum() == 0
    wide[0, 10, 22] = 1
    assert torch.nonzero(affine.resample(wide, quarter, torch.zeros(1, 2))[0] > 0.99).tolist() == [[7, 20]]


def test_a_shift_of_whole_pixels_moves_them_exactly(images):
    moved = corrupt(images, "translate", severity=2)
    for image, original in zip(moved[:, 0], images[:, 0], strict=True):
        padded = torch.nn.functional.pad(original, (2, 2, 2, 2))
        assert any(torch.equal(image, padded[y : y + 28, x : x + 28]) for y in (0, 4) for x in (0, 4))


def test_brightness_adds_and_ends_at_white(images):
    assert torch.equal(corrupt(images, "brightness", severity=2), (images.int() + 51).clamp(max=255).to(torch.uint8))


def test_a_stripe_is_the_negative_of_the_outer_quarters(images):
    striped = corrupt(images, "stripe")
    assert torch.equal(striped[..., 7:21], images[..., 7:21])
    for outside in (slice(0, 7), slice(21, 28)):
        assert torch.equal(striped[..., outside], 255 - images[..., outside])


def test_plasma_is_a_landscape_from_0_to_1_without_an_edge(generator):
    heights = light.plasma(4, 1.7, generator)
    assert heights.shape == (4, 256, 256)
    assert heights.amin((1, 2)).tolist() == [0] * 4
    assert heights.amax((1, 2)).tolist() == [1] * 4
    # Neighbours are alike, across the border too; far points are not.
    steps = (heights - heights.roll(1, 1)).abs().mean((0, 2))
    assert steps.max() < 0.05
    assert (heights - heights.roll(128, 1)).abs().mean() > 0.1


def test_more_decay_makes_smoother_fog(generator):
    rough, smooth = (light.plasma(4, decay, torch.Generator().manual_seed(0)) for decay in (1.4, 2.0))
    assert (rough - rough.roll(1, 2)).abs().mean() > 2 * (smooth - smooth.roll(1, 2)).abs().mean()


@pytest.mark.parametrize("decay", [1.4, 2.0])
def test_plasma_gets_weaker_by_the_square_of_its_decay(generator, decay):
    heights = light.plasma(4, decay, generator)

    def wobble(half):
        corners = heights[:, :: 2 * half, :: 2 * half]
        around = corners + corners.roll(-1, 1) + corners.roll(-1, 2) + corners.roll((-1, -1), (1, 2))
        return (heights[:, half :: 2 * half, half :: 2 * half] - around / 4).abs().mean()

    assert wobble(2) / wobble(1) == pytest.approx(decay**2, rel=0.05)
    # Between them lie points that wobble as much about their four neighbours up, down, left and right.
    beside = sum(heights.roll(step, axis) for step in (1, -1) for axis in (1, 2)) / 4
    for rows, columns in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        off = (heights - beside)[:, rows, columns].abs().mean()
        assert off == pytest.approx(float(wobble(1)), rel=0.05)


def test_fog_lies_over_the_digit_and_keeps_the_range(floats, generator):
    foggy = light.fog(floats, (3.0, 1.4), generator)
    brightest = floats.amax((1, 2))
    assert (foggy.amax((1, 2)) <= brightest + 1e-6).all()
    assert light.fog(floats * 0.2, (3.0, 1.4), generator).max() <= 0.2
    assert (foggy.mean((1, 2)) > floats.mean((1, 2))).all()
    # What was lighter than its surroundings still is, by a quarter.
    ink = floats > 0.9
    assert foggy[ink].mean() - foggy[floats == 0].mean() == pytest.approx(0.25, abs=0.05)


def test_mud_is_dark_grey_and_covers_the_digit(floats, generator):
    muddy = light.spatter(floats, (0.65, 0.3, 1, 0.65, 1.5), generator)
    paper = muddy[floats == 0]
    assert paper.max() <= 63 / 255 + 1e-6
    assert 0.02 < (paper > 0).float().mean() < 0.5
    covered = (floats == 1) & (muddy < 0.5)
    assert 0.02 < covered.sum() / (floats == 1).sum() < 0.5


def test_a_dotted_line_runs_from_side_to_side(generator):
    drawn = lines.dotted_line(torch.zeros(300, 28, 28), generator)
    assert (drawn.amax((0, 1)) > 0).tolist() == [column % 4 >= 2 and column < 27 for column in range(28)]
    # Each dot is as dark as the next, and they lie on a line.
    peaks = drawn.argmax(1).float()[:, [2, 10, 18, 26]]
    assert ((peaks[:, 1:] - peaks[:, :-1]).diff(dim=1).abs() <= 2).all()
    starts = drawn.argmax(1)[:, 2]
    assert (starts.min(), starts.max()) == (pytest.approx(1, abs=1), pytest.approx(25, abs=1))


def test_the_ink_of_a_line_falls_off_as_the_logarithm():
    one = torch.tensor([0.0])
    line = lines.line(torch.zeros(1, 28, 28), one, one + 14, one + 28, one + 14)[0, :, 5]
    expected = [max(0.0, 1 + math.log(1 - distance / 2.3)) for distance in (0, 1, 2)]
    assert line[14:17].tolist() == pytest.approx(expected, abs=1e-6)
    assert line[12:14].tolist() == pytest.approx(expected[:0:-1], abs=1e-6)
    assert line[:12].sum() == line[17:].sum() == 0


def test_a_zigzag_has_six_teeth(generator):
    drawn = lines.zigzag(torch.zeros(300, 28, 28), generator)
    assert torch.nonzero(drawn.amax((0, 1)))[[0, -1]].flatten().tolist()[0] in (0, 1, 2)
    assert drawn[:, :, 27].max() == 0
    # A flat one in the middle turns round at every fourth column.
    flat = drawn.sum(2).argmax(1)
    ups_and_downs = drawn.argmax(1)[(flat > 8) & (flat < 20)].float()
    spread = ups_and_downs[:, 3:25].std(1)
    assert (spread > 0.8).all()
    middle = ups_and_downs[:, [4, 8, 12, 16, 20, 24]]
    signs = torch.sign(middle.diff(dim=1))
    assert (signs[:, 1:] == -signs[:, :-1]).float().mean() > 0.9


def test_edges_lie_round_the_ink_and_no_image_touches_the_next(mnist):
    square = torch.zeros(3, 28, 28)
    square[:, 8:20, 8:20] = 1
    # Ink up to the border of the first image must not leave an edge in the next.
    square[0, 20:, 8:20] = 1
    square[1] = 0
    edges = lines.canny_edges(square, torch.Generator())
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert edges[1].sum() == 0
    outline = edges[2]
    assert outline[10:18, 10:18].sum() == 0
    assert outline[:6].sum() == outline[22:].sum() == 0
    assert 40 <= outline.sum() <= 56
    # The square is in the middle of both axes, and so are its edges.
    assert torch.equal(outline.amax(0), outline.amax(1))
    # Ink as faint as this still has edges, and fainter ink has none.
    seen = [lines.canny_edges(level * square, torch.Generator())[2].any() for level in (0.055, 0.15)]
    assert seen == [False, True]
    share = lines.canny_edges(mnist.test.images[:200, 0].float() / 255, torch.Generator()).mean()
    assert 0.09 < share < 0.12


# ---- what is refused --------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_explained(images):
    with pytest.raises(ConfigError, match="unknown corruption 'fogg'; did you mean 'fog'"):
        corrupt(images, "fogg")


@pytest.mark.parametrize("severity", [0, 6, 2.5, "3"])
def test_a_severity_that_there_is_not_is_refused(images, severity):
    with pytest.raises(ConfigError, match=r"severity of fog is .*, expected 1 to 5"):
        corrupt(images, "fog", severity=severity)
    with pytest.raises(ConfigError, match="expected none: stripe has only one"):
        corrupt(images, "stripe", severity=severity)


def test_other_images_are_refused(images):
    for other in (images.float(), images[:, 0], images[..., :20], images.expand(-1, 3, -1, -1)):
        with pytest.raises(DataError, match=r"expected uint8 \(N, 1, 28, 28\): corrupt them before"):
            corrupt(other, "fog")
