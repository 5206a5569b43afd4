import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from mnistkit.errors import BlankImageError
from mnistkit.imaging import find_ink, shrink
from mnistkit.imaging.digit import find_candidates, find_digit
from mnistkit.imaging.parts import find_parts


@pytest.fixture(scope="module")
def digits(mnist):
    """Twenty of each class."""
    return mnist.test.take_per_class(20).images[:, 0].numpy()


def stroke(paper, ink, shape=(20, 20)):
    image = np.full(shape, paper, np.uint8)
    image[8:12, 5:15] = ink
    return image


def parts(*boxes, shape=(100, 100), strength=200):
    """Rectangles of ink, each (top, bottom, left, right)."""
    ink = np.zeros(shape, np.uint8)
    for top, bottom, left, right in boxes:
        ink[top:bottom, left:right] = strength
    return ink


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
@pytest.mark.parametrize("coloured", [False, True], ids=["grey", "RGB"])
def test_the_ink_of_a_clean_digit_is_the_digit(inverted, coloured, digits):
    for digit in digits:
        image = 255 - digit if inverted else digit
        ink = find_ink(np.stack([image] * 3, -1) if coloured else image)
        assert ink.dtype == np.uint8
        assert np.array_equal(ink, digit)


@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (255, 0), (160, 90), (90, 160), (200, 180), (30, 50)])
def test_ink_is_found_on_any_grey(paper, ink):
    found = find_ink(stroke(paper, ink))
    assert np.array_equal(found > 0, stroke(0, 1) > 0)
    assert np.unique(found).size == 2
    assert abs(paper - ink) <= found.max() <= 255


@pytest.mark.parametrize("grey", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (1, 300), (300, 2), (120, 90, 3), (1, 1, 3)])
def test_plain_paper_has_no_ink(grey, shape):
    ink = find_ink(np.full(shape, grey, np.uint8))
    assert ink.shape == shape[:2]
    assert not ink.any()


@pytest.mark.parametrize(("ink", "speck"), [(20, 255), (220, 0)])
def test_specks_do_not_outweigh_a_digit_of_the_other_polarity(ink, speck):
    image = stroke(120, ink, (60, 60))
    image[3, 3] = image[55, 56] = speck
    assert np.array_equal(find_ink(image)[5:50, 5:50] > 50, stroke(0, 1, (60, 60))[5:50, 5:50] > 0)


@pytest.mark.parametrize("turned", range(4))
def test_light_from_one_side_falls_away(turned):
    light = np.tile(np.linspace(120, 230, 200), (200, 1))
    light[60:140, 90:110] -= 60
    ink = np.rot90(find_ink(np.rot90(light, turned).round().astype(np.uint8)), -turned)
    assert ink[70:130, 95:105].min() > 40
    ink[60:140, 90:110] = 0
    assert ink.max() < 20


def test_ink_on_flat_paper_is_whole_however_wide_and_wherever_it_lies():
    image = np.full((120, 100), 255, np.uint8)
    image[:50, 20:80] = 40  # as wide as paper may be, and on the border
    assert np.array_equal(find_ink(image), np.where(image < 255, 215, 0))
    assert np.array_equal(find_ink(255 - image), np.where(image < 255, 215, 0))


def test_the_shadow_of_an_overexposed_photo_is_no_ink():
    light = np.tile(np.linspace(2.2, 0.6, 200), (160, 1))
    photo = np.minimum(light * 255, 255).astype(np.uint8)
    photo[60:100, 40:48] //= 3
    assert (photo == 255).mean() > 0.5
    ink = find_ink(photo)
    assert (ink[60:100, 40:48] > 100).all()
    assert ink[:50].max() < 60


def test_ink_may_stand_out_by_its_colour_alone():
    image = np.full((60, 60, 3), (0, 130, 0), np.uint8)
    image[15:45, 28:34] = (255, 0, 0)
    brightness = PIL.Image.fromarray(image).convert("L")
    assert np.ptp(np.asarray(brightness)) <= 1
    ink = find_ink(image)
    weakest = ink[15:45, 28:34].min()
    assert weakest > 100
    ink[15:45, 28:34] = 0
    assert ink.max() < weakest / 2


def test_the_given_image_is_left_as_it_was(digits):
    before = digits[0].copy()
    find_ink(digits[0])
    assert np.array_equal(digits[0], before)


def test_the_digit_is_all_of_a_single_stroke():
    ink = parts((30, 70, 40, 50))
    assert np.array_equal(find_digit(ink), ink > 0)


@pytest.mark.parametrize("strength", [0, 15])
def test_contrast_below_16_is_blank(strength):
    message = rf"^the image is blank: its strongest contrast is {strength} of 255, at least 16 is needed; "
    with pytest.raises(BlankImageError, match=message):
        find_digit(stroke(0, strength).astype(np.uint8))


def test_contrast_of_16_is_ink():
    ink = stroke(0, 16).astype(np.uint8)
    assert np.array_equal(find_digit(ink), ink > 0)


def test_a_few_hot_pixels_of_a_photo_are_not_its_ink():
    ink = np.zeros((200, 200), np.uint8)
    ink[::67, ::67] = 255
    with pytest.raises(BlankImageError, match="the image is blank: nothing stands out from the noise of its paper"):
        find_digit(ink)


def test_what_is_no_stronger_than_the_noise_of_the_paper_is_blank():
    paper = np.repeat(np.uint8([0, 21, 42, 85, 140]), [400, 200, 400, 50, 300]).reshape(27, 50)
    with pytest.raises(BlankImageError, match="the image is blank: nothing stands out from the noise of its paper"):
        find_digit(paper)


def test_an_image_that_is_ink_all_over_is_taken_whole():
    assert find_digit(np.full((2, 12), 200, np.uint8)).all()


@pytest.mark.parametrize(("noise", "belongs"), [(0, True), (25, False)])
def test_a_pale_edge_belongs_to_a_stroke_where_no_noise_hides_it(noise, belongs):
    ink = parts((30, 70, 40, 50))
    ink[29, 40:50] = 30
    ink += np.random.default_rng(0).uniform(0, noise, ink.shape).astype(np.uint8)
    assert bool(find_digit(ink)[29, 40:50].all()) == belongs


def test_the_noise_of_the_paper_is_no_part_of_the_digit():
    ink = parts((30, 70, 40, 50))
    noisy = np.abs(ink + np.random.default_rng(0).normal(0, 10, ink.shape)).clip(0, 255).astype(np.uint8)
    assert np.array_equal(find_digit(noisy), ink > 0)


def test_dust_is_no_part_of_the_digit():
    ink = parts((30, 70, 40, 50), (10, 12, 80, 82), (50, 51, 52, 53))
    assert np.array_equal(find_digit(ink), parts((30, 70, 40, 50)) > 0)


def test_the_pieces_of_a_broken_stroke_belong_together():
    ink = parts((20, 45, 40, 50), (50, 80, 40, 50), (20, 28, 55, 70))
    assert np.array_equal(find_digit(ink), ink > 0)


def test_a_chain_of_pieces_is_followed_to_its_end():
    ink = parts((45, 65, 40, 50), (68, 75, 40, 50), (79, 86, 40, 50))
    assert np.array_equal(find_digit(ink), ink > 0)


def test_another_mark_far_away_is_no_part_of_the_digit():
    ink = parts((30, 70, 40, 50), (30, 60, 85, 90))
    assert np.array_equal(find_digit(ink), parts((30, 70, 40, 50)) > 0)


def test_a_pale_smudge_beside_the_digit_is_no_part_of_it():
    ink = np.maximum(parts((30, 70, 40, 50)), parts((40, 60, 53, 60), strength=60))
    assert np.array_equal(find_digit(ink), parts((30, 70, 40, 50)) > 0)


def test_the_digit_in_the_middle_is_preferred_to_a_larger_blot_at_the_side():
    digit = parts((30, 70, 45, 55))
    assert np.array_equal(find_digit(np.maximum(digit, parts((20, 75, 88, 98)))), digit > 0)


def test_the_edge_of_the_sheet_is_not_the_digit():
    digit = parts((30, 70, 45, 55))
    for strip in (parts((0, 100, 0, 25)), parts((85, 100, 0, 100))):
        assert np.array_equal(find_digit(np.maximum(digit, strip)), digit > 0)


def test_something_cut_off_by_the_border_is_no_part_of_the_digit():
    digit = parts((20, 75, 45, 55))
    assert np.array_equal(find_digit(np.maximum(digit, parts((80, 100, 50, 56)))), digit > 0)


def test_a_small_image_may_have_a_digit_that_touches_its_border():
    ink = parts((0, 28, 10, 18), shape=(28, 28))
    assert np.array_equal(find_digit(ink), ink > 0)


def test_a_frame_drawn_around_the_digit_is_not_the_digit():
    frame = parts((5, 95, 5, 95))
    frame[9:91, 9:91] = 0
    digit = parts((35, 65, 45, 52))
    assert np.array_equal(find_digit(np.maximum(digit, frame)), digit > 0)


def test_a_zero_that_fills_the_image_is_not_a_frame():
    picture = PIL.Image.new("L", (100, 100))
    PIL.ImageDraw.Draw(picture).ellipse((15, 8, 85, 92), outline=200, width=12)
    ink = np.asarray(picture).astype(np.uint8)
    assert np.array_equal(find_digit(ink), ink > 0)


def test_the_candidates_come_likeliest_first_and_share_no_pixel():
    """The square in the middle has most ink; the strip along the border comes after everything else."""
    boxes = (40, 70, 40, 70), (35, 75, 88, 94), (0, 100, 0, 4)
    ink = parts(*boxes)
    candidates = list(find_candidates(find_parts(ink)))
    assert len(candidates) == 3
    for (mask, share), box in zip(candidates, boxes, strict=True):
        assert np.array_equal(mask, parts(box) > 0)
        assert share == pytest.approx(parts(box).sum() / ink.sum())
    assert np.array_equal(find_digit(ink), candidates[0][0])


def test_a_candidate_keeps_its_own_fragments():
    first, second = parts((30, 70, 20, 40), (22, 27, 24, 44)), parts((30, 70, 75, 85), (22, 27, 76, 90))
    masks = [mask for mask, _ in find_candidates(find_parts(np.maximum(first, second)))]
    assert [mask.tolist() for mask in masks] == [(first > 0).tolist(), (second > 0).tolist()]


def test_dust_is_no_candidate():
    assert len(list(find_candidates(find_parts(parts((30, 70, 40, 60), (5, 7, 90, 92)))))) == 1


def test_parts_know_their_box_and_their_ink():
    found = find_parts(parts((0, 10, 40, 60)))
    (part,) = found.found
    assert (part.top, part.bottom, part.left, part.right, part.width, part.height) == (0, 10, 40, 60, 20, 10)
    assert (part.area, part.mass, part.peak) == (200, 200 * 200, 200)
    # One of its two long sides, of an outline of 60.
    assert part.contact == pytest.approx(20 / 60)
    assert np.array_equal(found.labels == part.number, parts((0, 10, 40, 60)) > 0)


@pytest.mark.parametrize(
    ("shape", "side", "expected"), [((40, 80), 20, (10, 20)), ((900, 3, 3), 90, (90, 1, 3)), ((5, 5), 5, (5, 5))]
)
def test_shrinking_keeps_the_aspect_and_never_enlarges(shape, side, expected):
    image = np.full(shape, 77, np.uint8)
    assert shrink(image, side).shape == expected
    assert (shrink(image, side) == 77).all()
    assert shrink(image, 1000) is image


@pytest.mark.parametrize(
    "boxes", [((0, 60, 0, 4),), ((0, 60, 0, 4), (0, 4, 0, 60)), ((0, 60, 57, 60), (56, 60, 5, 55))]
)
def test_what_is_left_of_a_table_round_an_empty_cell_is_no_digit(boxes):
    with pytest.raises(BlankImageError, match="along its border"):
        find_digit(parts(*boxes)[:60, :60])
