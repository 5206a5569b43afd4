import math

import pytest
import torch

from mnistkit.data import Augment, PixelShift, TensorLoader
from mnistkit.errors import ConfigError, DataError

EVERYTHING = Augment(rotate=10, scale=0.1, shear=5, shift=2, elastic=1, ink=0.5, erase=0.5, blur=0.5, gamma=0.5)
# Each option by itself.
ALONE = {
    "rotate": Augment(rotate=15),
    "scale": Augment(scale=0.2),
    "shear": Augment(shear=15),
    "shift": Augment(shift=2),
    "elastic": Augment(elastic=1.5),
    "ink": Augment(ink=1),
    "erase": Augment(erase=1),
    "blur": Augment(blur=1),
    "gamma": Augment(gamma=1),
}


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def digits(small):
    return small.test.images.float().div_(255)


@pytest.fixture
def grounded(digits):
    """On grey paper, so that a hole shows wherever it is."""
    return digits / 2 + 0.5


def centres(images):
    """Centre of mass of each image, (N, 2), in pixels."""
    mass = images.sum((1, 2, 3))
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in images.shape[-2:])
    return torch.stack([(images.sum((1, 3)) * rows).sum(1) / mass, (images.sum((1, 2)) * columns).sum(1) / mass], dim=1)


def spread(images):
    """Second central moments of each image: (vertical, horizontal, mixed), in square pixels."""
    mass = images.sum((1, 2, 3))
    centre = centres(images)
    y = torch.arange(images.shape[-2]).view(1, -1, 1) - centre[:, :1, None]
    x = torch.arange(images.shape[-1]).view(1, 1, -1) - centre[:, 1:, None]
    ink = images[:, 0]
    return tuple((ink * moment).sum((1, 2)) / mass for moment in (y * y, x * x, x * y))


def test_all_zero_is_the_identity(digits):
    before = digits.clone()
    assert torch.equal(Augment()(digits, draw()), before)


@pytest.mark.parametrize("name", ALONE)
def test_each_option_changes_most_images_and_not_the_ones_given(grounded, name):
    before = grounded.clone()
    changed = ALONE[name](grounded, draw())
    assert torch.equal(grounded, before)
    different = (changed - before).abs().amax((1, 2, 3)) > 0.01
    assert different.float().mean() > 0.8


@pytest.mark.parametrize("name", [*ALONE, "everything"])
def test_the_result_depends_on_the_generator_alone(digits, name):
    augment = {**ALONE, "everything": EVERYTHING}[name]
    once = augment(digits, draw(1))
    torch.manual_seed(99)
    again, other = augment(digits, draw(1)), augment(digits, draw(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


@pytest.mark.parametrize("name", [*ALONE, "everything"])
def test_torchs_own_generator_is_not_touched(digits, name):
    before = torch.get_rng_state()
    {**ALONE, "everything": EVERYTHING}[name](digits, draw())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [*ALONE, "everything"])
def test_shape_type_and_range_are_kept(name):
    for shape in [(1, 1, 28, 28), (7, 3, 17, 31), (4, 2, 5, 4), (2, 1, 1, 1)]:
        changed = {**ALONE, "everything": EVERYTHING}[name](torch.rand(shape), draw())
        assert changed.shape == shape
        assert changed.dtype == torch.float32
        assert ((changed >= 0) & (changed <= 1 + 1e-6)).all()


@pytest.mark.parametrize("name", [*ALONE, "everything"])
def test_the_channels_of_one_image_move_together(digits, name):
    changed = {**ALONE, "everything": EVERYTHING}[name](digits.expand(-1, 3, -1, -1), draw())
    torch.testing.assert_close(changed[:, 0], changed[:, 1])
    torch.testing.assert_close(changed[:, 0], changed[:, 2])


@pytest.mark.parametrize("name", ALONE)
def test_every_image_is_changed_in_its_own_way(grounded, name):
    changed = ALONE[name](grounded[:1].expand(20, -1, -1, -1), draw())
    # Two holes may be too small to hold the middle of a pixel.
    assert len(torch.unique(changed, dim=0)) >= (18 if name == "erase" else 20)


def test_shift_moves_the_ink_by_at_most_the_amount_each_way(digits):
    moved = centres(Augment(shift=3)(digits, draw())) - centres(digits)
    assert moved.abs().max() <= 3 + 0.01
    for axis in (0, 1):
        assert moved[:, axis].max() > 2
        assert moved[:, axis].min() < -2


def test_shift_is_in_pixels_also_where_the_sides_differ():
    images = torch.zeros(200, 1, 24, 60)
    images[:, :, 10:14, 28:32] = 1
    moved = (centres(Augment(shift=4)(images, draw())) - centres(images)).abs()
    for axis in (0, 1):
        assert 3.7 < moved[:, axis].max() <= 4.01


def test_shift_alone_keeps_the_ink():
    images = torch.zeros(50, 1, 28, 28)
    images[:, :, 6:20, 8:15] = torch.rand(14, 7)
    moved = Augment(shift=4)(images, draw())
    torch.testing.assert_close(moved.sum((1, 2, 3)), images.sum((1, 2, 3)), rtol=1e-4, atol=0)


def test_rotate_keeps_the_amount_of_ink_roughly_and_turns_it_by_at_most_the_amount():
    bars = torch.zeros(300, 1, 28, 28)
    bars[:, :, 13:15, 4:24] = 1
    turned = Augment(rotate=30)(bars, draw())
    torch.testing.assert_close(turned.sum((1, 2, 3)), bars.sum((1, 2, 3)), rtol=0.05, atol=0)
    vertical, horizontal, mixed = spread(turned)
    angles = torch.rad2deg(0.5 * torch.atan2(2 * mixed, horizontal - vertical))
    assert 28 < angles.max() <= 30.1
    assert -30.1 <= angles.min() < -28
    torch.testing.assert_close(centres(turned), centres(bars), atol=0.05, rtol=0)


def test_scale_changes_each_axis_on_its_own_by_at_most_the_amount():
    blocks = torch.zeros(300, 1, 28, 28)
    blocks[:, :, 8:20, 8:20] = 1
    height, width, _ = (side.clamp(min=0).sqrt() for side in spread(Augment(scale=0.2)(blocks, draw())))
    reference = math.sqrt(143 / 12)
    for side in (height / reference, width / reference):
        assert 0.8 < side.min() < 0.87
        assert 1.18 < side.max() < 1.27
    assert (height - width).abs().max() > 0.5


def test_shear_slants_an_upright_stroke_and_keeps_its_ink():
    strokes = torch.zeros(300, 1, 28, 28)
    strokes[:, :, 6:22, 13:15] = 1
    slanted = Augment(shear=20)(strokes, draw())
    torch.testing.assert_close(slanted.sum((1, 2, 3)), strokes.sum((1, 2, 3)), rtol=0.05, atol=0)
    vertical, _, mixed = spread(slanted)
    angles = torch.rad2deg(torch.atan(mixed / vertical))
    assert 18 < angles.max() < 20.5
    assert -20.5 < angles.min() < -18


def test_the_elastic_displacement_has_about_the_deviation_asked_for():
    # A ramp shows by how much each pixel was displaced.
    ramp = (torch.arange(28) / 27).expand(500, 1, 28, 28).contiguous()
    moved = (Augment(elastic=1.0)(ramp, draw()) - ramp)[..., 6:22, 6:22] * 27
    assert moved.std().item() == pytest.approx(1.0, rel=0.25)
    assert moved.mean().item() == pytest.approx(0.0, abs=0.1)


def test_smoothness_is_the_width_of_the_elastic_features():
    ramp = (torch.arange(28) / 27).expand(200, 1, 28, 28).contiguous()

    def roughness(smoothness):
        moved = Augment(elastic=1.0, smoothness=smoothness)(ramp, draw())[..., 6:22, 6:22]
        return moved.diff(dim=-2).std().item()

    assert roughness(2) > 1.5 * roughness(4) > 2 * roughness(10)


def test_ink_thickens_some_images_and_thins_others(digits):
    before = digits.sum((1, 2, 3))
    after = Augment(ink=1)(digits, draw()).sum((1, 2, 3))
    change = after / before - 1
    assert change.max() > 0.3
    assert change.min() < -0.3
    assert ((change > 0).float().mean() - 0.5).abs() < 0.2


def test_full_ink_is_at_most_one_pixel_on_each_side():
    block = torch.zeros(300, 1, 12, 12)
    block[:, :, 4:8, 4:8] = 1
    changed = Augment(ink=1)(block, draw())
    assert (changed[:, :, 5:7, 5:7] == 1).all()
    outside = changed.clone()
    outside[:, :, 3:9, 3:9] = 0
    assert not outside.any()
    sums = changed.sum((1, 2, 3))
    assert 4 <= sums.min() < 4.5
    assert 35 < sums.max() <= 36


def test_ink_does_not_thin_what_touches_the_edge():
    white = torch.ones(50, 1, 8, 8)
    assert torch.equal(Augment(ink=1)(white, draw()), white)


def test_erase_blanks_one_rectangle_of_up_to_a_third():
    white = torch.ones(4000, 1, 30, 24)
    holes = 1 - Augment(erase=1)(white, draw())[:, 0]
    assert set(holes.unique().tolist()) == {0.0, 1.0}
    rows, columns = holes.amax(2), holes.amax(1)
    assert torch.equal(holes, rows[:, :, None] * columns[:, None, :])
    for sides in (rows, columns):
        assert (sides.diff(dim=1).abs().sum(1) <= 2).all()
    assert 8 <= rows.sum(1).max() <= 10
    assert 6 <= columns.sum(1).max() <= 8
    assert (holes.sum((1, 2)) > 0).float().mean() > 0.7
    # Every part of the image can be hit, the corners too.
    assert (holes.sum(0) > 0).all()


def test_erase_is_a_probability():
    white = torch.ones(2000, 1, 28, 28)
    hit = (Augment(erase=0.25)(white, draw()) == 0).any(-1).any(-1).float().mean().item()
    assert 0.18 < hit < 0.27


def test_what_does_not_change_is_kept_bit_for_bit(digits):
    changed = Augment(erase=0.5)(digits, draw())
    holes = (changed == 0) & (digits > 0)
    assert torch.equal(changed[~holes], digits[~holes])


def test_mirror_exchanges_left_and_right_of_so_many():
    images = torch.rand(2000, 1, 28, 28, generator=draw())
    changed = Augment(mirror=0.25)(images, draw())
    mirrored = (changed == images.flip(-1)).flatten(1).all(1)
    assert torch.equal(changed[~mirrored], images[~mirrored])
    assert 0.2 < mirrored.float().mean() < 0.3


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"rotate": -1}, "rotate is -1, expected a number from 0"),
        ({"shift": -0.5}, "shift is -0.5, expected a number from 0"),
        ({"elastic": math.nan}, "elastic is nan, expected a number from 0"),
        ({"ink": math.inf}, "ink is inf, expected a number from 0"),
        ({"erase": 1.5}, r"erase is 1.5 \(at most 1\)"),
        ({"blur": 1.01}, r"blur is 1.01 \(at most 1\)"),
        ({"mirror": 2}, r"mirror is 2 \(at most 1\)"),
        ({"gamma": -0.1}, "gamma is -0.1, expected a number from 0"),
        ({"scale": 1}, r"scale is 1 \(less than 1\)"),
        ({"shear": 90}, r"shear is 90 \(less than 90\)"),
        ({"elastic": 1, "smoothness": 0}, "smoothness is 0, expected a number from 1"),
        ({"smoothness": 0.001}, "smoothness is 0.001, expected a number from 1"),
    ],
)
def test_a_bad_amount_is_refused(amounts, message):
    with pytest.raises(ConfigError, match=message):
        Augment(**amounts)


def test_the_largest_amounts_are_allowed():
    changed = Augment(rotate=360, scale=0.999, shear=89, shift=28, elastic=10, smoothness=1, ink=1, erase=1)(
        torch.rand(50, 1, 28, 28), draw()
    )
    assert changed.isfinite().all()


def test_it_is_an_augmentation_for_a_loader(small):
    plain = next(TensorLoader(small.train, 16).batches())
    changed = next(TensorLoader(small.train, 16, augment=EVERYTHING).batches())
    assert torch.equal(plain.labels, changed.labels)
    assert plain.images.shape == changed.images.shape
    assert not torch.equal(plain.images, changed.images)


def test_blur_mixes_in_at_most_the_amount_of_a_binomial_kernel():
    points = torch.zeros(400, 1, 7, 9)
    points[:, :, 3, 4] = 1
    kernel = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
    blurred = Augment(blur=0.8)(points, draw())
    share = (1 - blurred[:, :, 3:4, 4:5]) / (1 - 4 / 16)
    expected = points * (1 - share)
    expected[:, :, 2:5, 3:6] += share * kernel
    torch.testing.assert_close(blurred, expected)
    assert 0.77 < share.max() <= 0.8 + 1e-6
    assert 0 <= share.min() < 0.03


def test_blur_keeps_a_picture_without_edges_as_it_is_up_to_its_border():
    grey = torch.full((20, 2, 5, 6), 0.7)
    torch.testing.assert_close(Augment(blur=1)(grey, draw()), grey)


def test_gamma_raises_each_image_to_a_power_of_its_own():
    ramp = (torch.arange(1, 28) / 28).expand(400, 1, 28, 27).contiguous()
    powers = (Augment(gamma=0.6)(ramp, draw()).log() / ramp.log()).log()
    assert torch.allclose(powers, powers.mean((1, 2, 3), keepdim=True), atol=1e-3)
    assert 0.57 < powers.max() <= 0.601
    assert -0.601 <= powers.min() < -0.57


def test_gamma_keeps_black_and_white_and_what_rounding_left_beyond_them():
    images = torch.tensor([0.0, 1.0, -1e-9, 1 + 1e-6]).expand(30, 1, 2, 4)
    assert torch.equal(Augment(gamma=2)(images, draw()), torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(30, 1, 2, 4))


def test_blur_and_gamma_leave_the_draws_of_the_other_options_as_they_were(digits):
    moved = Augment(rotate=10, erase=0.5)(digits, draw())
    faintly = Augment(rotate=10, erase=0.5, blur=1e-9, gamma=1e-9)(digits, draw())
    torch.testing.assert_close(faintly, moved.clamp(0, 1), atol=1e-6, rtol=0)


# ---- whole pixels -----------------------------------------------------------------------------------------------------


def test_pixel_shift_moves_each_image_by_whole_pixels_every_way_alike():
    images = torch.zeros(4500, 2, 9, 7)
    images[:, 0, 4, 3] = 1
    images[:, 1, 4, 3] = 0.5
    moved = PixelShift(1)(images, draw())
    assert torch.equal(moved[:, 1], moved[:, 0] / 2)
    ways, counts = torch.unique(moved[:, 0].flatten(1).argmax(1), return_counts=True)
    assert ways.tolist() == [row * 7 + column for row in (3, 4, 5) for column in (2, 3, 4)]
    assert counts.min() > 400


def test_pixel_shift_brings_black_in_at_the_edges(digits):
    white = torch.ones_like(digits)
    moved = PixelShift(2)(white, draw())
    assert moved.shape == white.shape
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert (moved[:, :, 2:-2, 2:-2] == 1).all()
    assert (moved[:, :, 0] == 0).any()
    assert torch.equal(PixelShift(2)(white, draw()), moved)
    assert torch.equal(white, torch.ones_like(digits))


def test_pixel_shift_by_nothing_is_refused():
    with pytest.raises(ConfigError, match="most is 0, expected at least 1 pixel"):
        PixelShift(0)


@pytest.mark.parametrize("augment", [Augment(shift=2), Augment(mirror=0.5), PixelShift(1)])
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (
            lambda data: data.preprocessing.normalize(data.images),
            r"from -0\.424 to 2\.\d+ to augment, .*normalized\(mean=0\.0",
        ),
        (lambda data: data.images.float(), "from 0 to 255 to augment, expected 0 to 1"),
        (lambda data: data.images, r"got torch\.uint8 images of shape \(12, 1, 28, 28\) to augment, .*divided by 255"),
        (lambda data: data.images[0] / 255, r"shape \(1, 28, 28\) to augment, .*images\[None\]"),
    ],
    ids=["normalised", "0 to 255", "8 bits", "one image"],
)
def test_images_whose_black_is_not_0_are_refused_with_what_to_do(small, augment, prepare, message):
    with pytest.raises(DataError, match=message):
        augment(prepare(small.train[:12]), torch.Generator())


def test_a_step_may_augment_what_an_augmentation_gave_and_a_batch_of_nothing(small):
    data = small.train[:12].normalized(mean=0.0, std=1.0)
    images = data.preprocessing.normalize(data.images)
    twice = Augment(rotate=10, elastic=1)(Augment(rotate=10, elastic=1)(images, torch.Generator()), torch.Generator())
    assert twice.shape == images.shape
    assert Augment(mirror=0.5)(images[:0], torch.Generator()).shape == (0, 1, 28, 28)
