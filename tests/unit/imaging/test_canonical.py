import io

import numpy as np
import PIL.Image
import pytest

from mnistkit.errors import BlankImageError, ConfigError
from mnistkit.imaging import frame_image, load_image

Resampling = PIL.Image.Resampling


@pytest.fixture(scope="module")
def digits(mnist):
    """Twenty of each class."""
    return mnist.test.take_per_class(20).images[:, 0].numpy()


def box(image):
    """Height and width of what is not black."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def center(image):
    places = np.indices(image.shape).reshape(2, -1)
    return places @ image.ravel() / image.sum()


def enlarged(image, times, method):
    height, width = image.shape
    return np.asarray(PIL.Image.fromarray(image).resize((width * times, height * times), method))


def mean_difference(image, digit):
    return np.abs(frame_image(image)[0].astype(int) - digit).mean()


def test_mnist_is_framed_as_this_module_says(mnist):
    """All but three test images have an ink box whose longer side is 20, and all have their mass in the middle."""
    images = mnist.test.images[:, 0].numpy()
    assert sorted(max(box(image)) for image in images)[:4] == [19, 19, 19, 20]
    assert max(max(box(image)) for image in images) == 20
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


def test_a_digit_cut_out_tightly_is_the_same(digits):
    for digit in digits:
        rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
        tight = digit[rows[0] - 1 : rows[-1] + 2, columns[0] - 1 : columns[-1] + 2]
        assert np.array_equal(frame_image(tight)[0], digit)


# The mean difference of a pixel, of 255. Interpolation blurs; with its ripples in the box the digit shrinks too: 22.
@pytest.mark.parametrize(
    ("method", "times", "most"),
    [
        (Resampling.NEAREST, 8, 1.0),
        (Resampling.BOX, 3, 1.0),
        (Resampling.BILINEAR, 8, 10.0),
        (Resampling.BICUBIC, 8, 10.0),
        (Resampling.BICUBIC, 3, 10.0),
        (Resampling.LANCZOS, 8, 10.0),
    ],
)
def test_an_enlarged_digit_comes_close(method, times, most, digits):
    differences = [mean_difference(enlarged(np.pad(255 - d, 4, constant_values=255), times, method), d) for d in digits]
    assert np.mean(differences) <= most


@pytest.mark.parametrize(("times", "quality", "most"), [(1, 95, 2.0), (1, 75, 6.0), (8, 75, 1.0)])
def test_what_jpeg_leaves_around_a_stroke_is_not_part_of_its_box(times, quality, most, digits):
    differences = []
    for digit in digits:
        file = io.BytesIO()
        picture = enlarged(255 - np.pad(digit, 4), times, Resampling.NEAREST)
        PIL.Image.fromarray(picture).save(file, "JPEG", quality=quality)
        differences.append(mean_difference(load_image(file), digit))
    assert np.mean(differences) <= most


@pytest.mark.parametrize("shape", [(200, 90), (90, 200), (5, 9), (1, 12), (40, 3), (300, 300)])
def test_the_longer_side_becomes_20_and_the_aspect_is_kept(shape):
    image = np.zeros((400, 400), np.uint8)
    image[50 : 50 + shape[0], 80 : 80 + shape[1]] = 255
    height, width = box(frame_image(image)[0])
    assert max(height, width) == 20
    expected = 20 * min(shape) / max(shape)
    assert abs(min(height, width) - expected) <= 1


@pytest.mark.parametrize(
    ("size", "longest"), [((28, 28), 20), ((32, 32), 23), ((20, 20), 14), ((14, 56), 10), ((64, 32), 23)]
)
def test_a_frame_of_another_size_has_a_box_in_proportion(size, longest, digits):
    frame = frame_image(digits[0], size=size)
    assert frame.shape == (1, *size)
    assert max(box(frame[0])) in {longest, longest - 1}  # what is paler than half a level may round to nothing
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
    assert box(frame) == (20, 20)
    assert frame[edge].any()
    assert frame[:, edge].any()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_thin_line_on_a_large_paper_stays_as_strong_as_it_was(width):
    image = np.full((1200, 900), 255, np.uint8)
    image[100:1100, 450 : 450 + width] = 0
    image[100 : 100 + width, 300:600] = 0
    frame = frame_image(image)[0]
    assert frame.max() == 255
    assert box(frame)[0] == 20


def test_a_dot_fills_the_box():
    image = np.zeros((50, 50), np.uint8)
    image[7, 31] = 255
    frame = frame_image(image)[0]
    assert box(frame) == (20, 20)
    assert frame[4:24, 4:24].min() == 255


def test_pale_writing_is_framed_as_strong_writing_is(digits):
    pale = (digits[0] // 5 + 90).astype(np.uint8)
    assert np.abs(frame_image(pale)[0].astype(int) - digits[0]).max() <= 5


@pytest.mark.parametrize("grey", range(0, 256, 51))
def test_blank_paper_has_nothing_to_frame(grey):
    with pytest.raises(BlankImageError, match="the image is blank: its strongest contrast is 0 of 255"):
        frame_image(np.full((40, 30), grey, np.uint8))


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


def test_mnists_framing_refuses_colour():
    with pytest.raises(
        ConfigError, match=r"got an image of shape \(9, 8, 3\); framing 'mnist' takes grey ones \(H, W\)"
    ):
        frame_image(np.zeros((9, 8, 3), np.uint8))
