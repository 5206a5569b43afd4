import numpy as np
import pytest

from mnistkit.errors import BlankImageError
from mnistkit.imaging import find_ink


@pytest.fixture(scope="module")
def digit(mnist):
    return mnist.test.images[0, 0].numpy()


def stroke(paper, ink, shape=(20, 20)):
    image = np.full(shape, paper, np.uint8)
    image[8:12, 5:15] = ink
    return image


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
def test_the_ink_of_a_clean_digit_is_the_digit(inverted, digit):
    ink = find_ink(255 - digit if inverted else digit)
    assert ink.dtype == np.float32
    assert np.array_equal(ink, digit)


@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (255, 0), (160, 90), (90, 160), (200, 180), (30, 50)])
def test_the_strongest_ink_is_255_and_paper_0_on_any_grey(paper, ink):
    assert np.array_equal(find_ink(stroke(paper, ink)), stroke(0, 255))


def test_weaker_ink_keeps_its_share_of_the_strongest():
    image = stroke(200, 100)
    image[8, 5] = 150
    assert find_ink(image)[8, 5] == pytest.approx(127.5)


@pytest.mark.parametrize(("strongest", "found"), [(255, 255), (250, 250), (249, 255), (100, 255)])
def test_ink_of_full_contrast_is_not_stretched(strongest, found):
    assert find_ink(stroke(0, strongest)).max() == found


@pytest.mark.parametrize("grey", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (1, 300), (300, 2)])
def test_paper_of_one_grey_is_blank(grey, shape):
    with pytest.raises(
        BlankImageError, match=r"^the image is blank: its strongest contrast is 0 of 255, at least 20 is needed$"
    ):
        find_ink(np.full(shape, grey, np.uint8))


@pytest.mark.parametrize("polarity", [1, -1])
def test_the_least_contrast_is_20(polarity):
    with pytest.raises(BlankImageError, match="its strongest contrast is 19 of 255, at least 20 is needed"):
        find_ink(stroke(128, 128 + 19 * polarity))
    assert np.array_equal(find_ink(stroke(128, 128 + 20 * polarity)), stroke(0, 255))


def test_bright_specks_do_not_outweigh_a_dark_digit():
    image = stroke(120, 20)
    image[3, 3] = image[15, 16] = 255
    assert np.array_equal(find_ink(image), stroke(0, 255))


def test_dark_specks_do_not_outweigh_a_bright_digit():
    image = stroke(120, 220)
    image[3, 3] = image[15, 16] = 0
    assert np.array_equal(find_ink(image), stroke(0, 255))


def test_noise_like_that_of_the_border_is_paper():
    noisy = np.random.default_rng(0).integers(190, 211, (100, 100)).astype(np.uint8)
    noisy[40:60, 30:70] = 40
    ink = find_ink(noisy)
    assert ink[40:60, 30:70].min() == 255
    assert np.count_nonzero(ink) == 20 * 40


def test_a_border_full_of_ink_does_not_hide_the_strongest_ink():
    image = np.full((20, 20), 255, np.uint8)
    image[:, ::3] = 0
    ink = find_ink(image)
    assert np.array_equal(ink, 255 - image)


def test_the_border_is_a_fiftieth_of_the_image_deep():
    image = np.full((200, 300), 200, np.uint8)
    image[:4], image[-4:], image[:, :4], image[:, -4:] = 100, 100, 100, 100
    assert np.array_equal(find_ink(image) > 0, image == 200)
    image[3], image[-4], image[:, 3], image[:, -4] = 200, 200, 200, 200
    image[2], image[-3], image[:, 2], image[:, -3] = 200, 200, 200, 200
    image[1], image[-2], image[:, 1], image[:, -2] = 200, 200, 200, 200
    assert np.array_equal(find_ink(image) > 0, image == 100)


@pytest.mark.parametrize("image", [[[0, 255]], [[0], [255], [0]], [[255, 0], [255, 255]], [[10, 100, 10]]])
def test_the_smallest_images_have_ink(image):
    assert find_ink(np.uint8(image)).max() == 255


def test_the_given_image_is_left_as_it_was(digit):
    before = digit.copy()
    find_ink(digit)
    assert np.array_equal(digit, before)
