import io

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from mnistkit.errors import BlankImageError, ConfigError
from mnistkit.imaging import WORK_SIDE, frame_image, frame_in_stages, frame_ink, load_image, propose

Resampling = PIL.Image.Resampling


@pytest.fixture(scope="module")
def digits(mnist):
    """Twenty of each class."""
    return mnist.test.take_per_class(20).images[:, 0].numpy()


def box(image):
    """Height and width of what is not black."""
    rows, columns = image.nonzero()
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def center(image):
    places = np.indices(image.shape).reshape(2, -1)
    return places @ image.ravel() / image.sum()


def enlarged(image, times, method):
    height, width = image.shape
    return np.asarray(PIL.Image.fromarray(image).resize((width * times, height * times), method))


def mean_difference(image, digit):
    return np.abs(frame_image(image)[0].astype(int) - digit).mean()


def drawn_seven(width, side=300, ink=0, paper=255):
    picture = PIL.Image.new("L", (side, side), paper)
    corners = [(side * x // 10, side * y // 10) for x, y in [(2, 2), (8, 2), (4, 9)]]
    PIL.ImageDraw.Draw(picture).line(corners, fill=ink, width=width, joint="curve")
    return np.asarray(picture)


def test_mnist_is_framed_as_this_module_says(mnist):
    """All but three test images have an ink box whose longer side is 20, and all have their mass in the middle."""
    images = mnist.test.images[:, 0].numpy()
    longest = sorted(max(box(image)) for image in images)
    assert longest[:4] == [19, 19, 19, 20]
    assert longest[-1] == 20
    assert max(np.abs(center(image) - 14).max() for image in images) <= 0.5


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
def test_mnists_own_images_come_out_as_they_went_in(inverted, mnist):
    for digit in mnist.test.images[:2000, 0].numpy():
        frame = frame_image(255 - digit if inverted else digit)
        assert frame.shape == (1, 28, 28)
        assert frame.dtype == np.uint8
        if max(box(digit)) == 20:
            assert np.array_equal(frame[0], digit)


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
def test_a_digit_anywhere_on_a_larger_paper_is_the_same(inverted, digits):
    generator = np.random.default_rng(0)
    for digit in digits:
        canvas = np.zeros((100, 140), np.uint8)
        top, left = generator.integers(0, 73), generator.integers(0, 113)
        canvas[top : top + 28, left : left + 28] = digit
        assert np.array_equal(frame_image(255 - canvas if inverted else canvas)[0], digit)


def test_a_digit_cut_out_tightly_is_the_same_unless_it_nearly_fills_its_image(digits):
    same = 0
    for digit in digits:
        rows, columns = digit.nonzero()
        tight = digit[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2]
        same += np.array_equal(frame_image(tight)[0], digit)
    assert same >= 195


# The mean difference of a pixel, of 255. Interpolation blurs; with its ripples in the box the digit would shrink too: 22.
@pytest.mark.parametrize(
    ("method", "times", "most"),
    [
        (Resampling.NEAREST, 8, 3.0),
        (Resampling.BOX, 3, 3.0),
        (Resampling.BILINEAR, 8, 10.0),
        (Resampling.BICUBIC, 8, 10.0),
        (Resampling.BICUBIC, 3, 10.0),
        (Resampling.LANCZOS, 8, 10.0),
    ],
)
def test_an_enlarged_digit_comes_close(method, times, most, digits):
    differences = [mean_difference(enlarged(255 - np.pad(d, 4), times, method), d) for d in digits[::4]]
    assert np.mean(differences) <= most


# With what JPEG leaves around the strokes in the box it would be 25.
@pytest.mark.parametrize(("times", "quality", "most"), [(1, 95, 4.0), (1, 75, 6.0), (8, 75, 3.0)])
def test_what_jpeg_leaves_around_a_stroke_is_not_part_of_its_box(times, quality, most, digits):
    differences = []
    for digit in digits[::4]:
        file = io.BytesIO()
        picture = enlarged(255 - np.pad(digit, 4), times, Resampling.NEAREST)
        PIL.Image.fromarray(picture).save(file, "JPEG", quality=quality)
        differences.append(mean_difference(load_image(file), digit))
    assert np.mean(differences) <= most


@pytest.mark.parametrize(("height", "width"), [(80, 12), (12, 80), (320, 48), (8, 36), (36, 8)])
def test_the_longer_side_becomes_20_and_the_aspect_is_kept(height, width):
    side = 2 * max(height, width)
    image = np.zeros((side, side), np.uint8)
    image[side // 5 : side // 5 + height, side // 4 : side // 4 + width] = 255
    framed = box(frame_image(image)[0])
    assert max(framed) == 20
    assert (framed[0] > framed[1]) == (height > width)
    assert abs(min(framed) - 20 * min(height, width) / max(height, width)) <= 1.5


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32, 40])
def test_strokes_of_any_width_get_the_weight_of_mnists(width, mnist):
    weights = mnist.test.only(7).images.sum(dim=(1, 2, 3)).numpy()
    frame = frame_image(drawn_seven(width))[0]
    low, high = np.percentile(weights, [2, 98])
    assert low <= frame.sum(dtype=int) <= high
    assert max(box(frame)) == 20
    assert frame.max() == 255


def test_a_thicker_marker_makes_no_thicker_strokes():
    """Beyond what MNIST has; otherwise the weight would grow by a seventh."""
    weights = [frame_image(drawn_seven(width))[0].sum(dtype=int) for width in (48, 64)]
    assert weights[1] <= 1.05 * weights[0]


@pytest.mark.parametrize("side", [40, 100, 511, 512, 513, 1500])
def test_the_size_of_the_picture_does_not_matter(side):
    frame = frame_image(drawn_seven(max(1, side // 16), side))[0]
    assert np.abs(frame.astype(int) - frame_image(drawn_seven(25, 400))[0]).mean() <= 8


@pytest.mark.parametrize(
    ("size", "longest"), [((28, 28), 20), ((32, 32), 23), ((20, 20), 14), ((14, 56), 10), ((64, 32), 23)]
)
def test_a_frame_of_another_size_has_a_box_in_proportion(size, longest, digits):
    frame = frame_image(digits[0], size=size)
    assert frame.shape == (1, *size)
    assert max(box(frame[0])) in {longest, longest - 1}  # what is paler than half a level rounds to nothing
    assert np.abs(center(frame[0]) - np.array(size) / 2).max() <= 1


def test_the_mass_is_in_the_middle():
    image = np.zeros((60, 60), np.uint8)
    image[5:45, 10:14] = image[37:45, 10:30] = 255
    frame = frame_image(image)[0]
    assert np.abs(center(frame) - 14).max() <= 0.5


@pytest.mark.parametrize("turned", [False, True])
def test_ink_far_from_its_own_center_of_mass_is_not_cut_off(turned):
    image = np.zeros((100, 100), np.uint8)
    image[10:30, 10:30] = 255
    image[20, 10:90] = image[10:90, 20] = 255
    frame = frame_image(np.rot90(image, 2) if turned else image)[0]
    edge = 0 if turned else -1
    assert max(box(frame)) == 20
    assert frame[edge].any()
    assert frame[:, edge].any()


@pytest.mark.parametrize(("ink", "paper"), [(140, 90), (90, 140), (200, 240), (60, 10)])
def test_pale_writing_is_framed_as_strong_writing_is(ink, paper):
    strong = frame_image(drawn_seven(20))[0].astype(int)
    assert np.abs(frame_image(drawn_seven(20, ink=ink, paper=paper))[0] - strong).mean() <= 1


def test_a_pale_frame_of_mnists_is_brought_to_full_strength(digits):
    assert np.mean([mean_difference((digit // 5 + 90).astype(np.uint8), digit) for digit in digits]) <= 5


def test_coloured_ink_on_coloured_paper_is_framed_as_black_on_white_is():
    strokes = drawn_seven(20) == 0
    colours = np.where(strokes[..., None], np.uint8((200, 0, 0)), np.uint8((0, 90, 40)))
    frame = frame_image(colours)
    assert frame.shape == (1, 28, 28)
    assert np.abs(frame[0].astype(int) - frame_image(drawn_seven(20))[0]).mean() <= 10


@pytest.mark.parametrize("grey", range(0, 256, 51))
@pytest.mark.parametrize("shape", [(1, 1), (40, 30), (30, 700), (40, 30, 3)])
def test_blank_paper_has_nothing_to_frame(grey, shape):
    with pytest.raises(BlankImageError, match="the image is blank: its strongest contrast is 0 of 255"):
        frame_image(np.full(shape, grey, np.uint8))


def test_resizing_takes_the_whole_image(digits):
    frame = frame_image(np.pad(digits[0], 28), framing="resize", size=(84, 84))
    assert np.array_equal(frame[0], np.pad(digits[0], 28))
    averaged = frame_image(enlarged(digits[0], 4, Resampling.NEAREST), framing="resize")
    assert np.array_equal(averaged[0], digits[0])


@pytest.mark.parametrize(("height", "width"), [(28, 28), (10, 40)])
def test_resizing_gives_the_size_asked_for(height, width, digits):
    assert frame_image(digits[0], framing="resize", size=(height, width)).shape == (1, height, width)
    colours = np.zeros((50, 60, 3), np.uint8)
    assert frame_image(colours, framing="resize", size=(height, width)).shape == (3, height, width)


def test_resizing_turns_dark_on_light_into_light_on_dark(digits):
    assert np.array_equal(frame_image(255 - digits[0], framing="resize")[0], digits[0])


def test_resizing_keeps_colours_in_their_channels():
    colours = np.random.default_rng(0).integers(200, 256, (28, 28, 3)).astype(np.uint8)
    assert np.array_equal(frame_image(colours, framing="resize"), np.moveaxis(colours, -1, 0))


def test_resizing_takes_blank_paper():
    assert not frame_image(np.full((9, 9), 255, np.uint8), framing="resize").any()


def test_an_unknown_framing_is_refused_with_a_suggestion():
    with pytest.raises(
        ConfigError, match=r"unknown framing 'resise'; did you mean 'resize'\? Available: mnist, resize"
    ):
        frame_image(np.zeros((28, 28), np.uint8), framing="resise")


def test_the_stages_lead_from_the_picture_to_the_frame():
    picture = drawn_seven(12)
    stages = frame_in_stages(picture)
    assert np.array_equal(stages.picture, picture)
    assert stages.ink.shape == stages.digit.shape == picture.shape
    assert np.array_equal(stages.digit > 0, stages.ink > 0)
    # Cut out, whatever it was cut out of.
    assert max(stages.strokes.shape) < 300
    assert np.array_equal(stages.frame, frame_image(picture)[0])
    assert stages.share == 1.0
    pictures = (stages.picture, stages.ink, stages.digit, stages.strokes, stages.frame)
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}


def test_a_large_picture_is_looked_at_in_a_smaller_size():
    stages = frame_in_stages(drawn_seven(60, 1200))
    assert stages.picture.shape == stages.ink.shape == (WORK_SIDE, WORK_SIDE)


def test_a_frame_of_mnists_goes_through_as_it_is(digits):
    for digit in digits[::20]:
        if max(box(digit)) == 20:
            (stages,) = propose(255 - digit)
            assert np.array_equal(stages.frame, digit)
            assert np.array_equal(stages.ink, digit)
            assert stages.strokes.shape == box(digit)
            assert stages.framed
            assert not propose(np.kron(digit, np.ones((2, 2), np.uint8)))[0].framed


def test_each_piece_of_ink_makes_a_frame_of_its_own(digits):
    first, second = digits[0], digits[70]
    canvas = np.zeros((120, 160), np.uint8)
    canvas[40:96, 20:76] = np.kron(first, np.ones((2, 2), np.uint8))
    canvas[40:96, 100:156] = np.kron(second, np.ones((2, 2), np.uint8))
    frames = [stages.frame for stages in propose(canvas)[:2]]
    differences = [[np.abs(frame.astype(int) - digit).mean() for digit in (first, second)] for frame in frames]
    assert {int(np.argmin(row)) for row in differences} == {0, 1}
    assert max(min(row) for row in differences) < 8


def test_chosen_ink_is_framed_all_of_it_and_nothing_else(digits):
    ink = np.zeros((60, 90), np.uint8)
    ink[4:32, 4:32], ink[20:48, 50:78] = digits[0], digits[70]
    mask = np.zeros(ink.shape, bool)
    mask[:, :40] = ink[:, :40] > 0
    frame = frame_ink(ink, mask)
    assert (frame.shape, frame.dtype) == ((1, 28, 28), np.uint8)
    assert np.abs(frame[0].astype(int) - digits[0]).mean() < 5
    assert frame_ink(ink, mask, size=(20, 40)).shape == (1, 20, 40)
    both = frame_ink(ink, ink > 0)[0]
    assert max(box(both)) == 20
    assert np.abs(both.astype(int) - digits[0]).mean() > 15


def test_a_single_pixel_of_ink_can_be_framed():
    ink = np.zeros((9, 9), np.uint8)
    ink[4, 4] = 3
    frame = frame_ink(ink, ink > 0)
    assert frame.max() == 255
    assert max(box(frame[0])) <= 20


def faint_lines_and_a_hot_pixel():
    """The strongest ink is two pixels of the camera's noise."""
    picture = np.full((300, 300), 220, np.uint8)
    picture[40:260:12, 40:260] = picture[41:260:12, 40:260] = 185
    picture[20, 20:22] = 0
    return picture


def a_card_a_little_lighter_than_its_ground():
    """The whole is light on dark, and so faint that it is blank; on the card there is a dark stroke."""
    page = np.full((300, 300), 100, np.uint8)
    page[120:180, 120:180] = 106
    page[135:165, 150:152] = 88
    return page


@pytest.mark.parametrize("draw", [faint_lines_and_a_hot_pixel, a_card_a_little_lighter_than_its_ground])
def test_once_something_is_found_no_further_look_calls_the_picture_blank(draw):
    assert propose(draw())
