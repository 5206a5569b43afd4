"""Photos on flat ground and sheets on a table, which are no digits, and digits, which are neither."""

import cv2
import numpy as np
import pytest

from mnistkit.imaging import find_ink, frame_image
from mnistkit.imaging.parts import find_parts
from mnistkit.imaging.sheet import cut_inset, find_sheet, is_sheet, on_sheet


def seven(width=10, side=200, ink=40, paper=225):
    picture = np.full((side, side), paper, np.uint8)
    points = (np.array([(55, 40), (145, 36), (90, 165)]) * side / 200).astype(np.int32)
    cv2.polylines(picture, [points], False, ink, width, cv2.LINE_AA)
    return picture


@pytest.fixture(scope="module")
def photo():
    """Of a seven, with noise and light from one side."""
    light = np.linspace(0.7, 1, 200)[None, :]
    return np.clip(seven() * light + np.random.default_rng(0).normal(0, 3, (200, 200)), 0, 255).astype(np.uint8)


def on_ground(picture, ground, margins=(100, 60, 40, 150)):
    top, bottom, left, right = margins
    return cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=ground)


@pytest.mark.parametrize("ground", [0, 190, 255])
def test_a_photo_on_flat_ground_is_found_and_read_as_if_it_were_alone(photo, ground):
    page = on_ground(photo, ground)
    inset = cut_inset(page)
    assert inset is not None
    np.testing.assert_array_equal(inset, photo[2:-2, 2:-2])
    alone, framed = frame_image(photo), frame_image(page)
    assert np.corrcoef(alone.ravel(), framed.ravel())[0, 1] > 0.98


def test_bars_above_and_below_a_photo_are_ground_too(photo):
    inset = cut_inset(on_ground(photo, 0, (90, 90, 0, 0)))
    assert inset is not None
    np.testing.assert_array_equal(inset, photo[2:-2, 2:-2])


def test_colours_count(photo):
    """A grey photo on a red ground of its own brightness."""
    page = on_ground(np.dstack([photo] * 3), (200, 160, 160))
    page[100:300, 40:240] = np.dstack([photo] * 3)
    assert cut_inset(page) is not None


def test_a_photo_alone_has_no_ground(photo):
    assert cut_inset(photo) is None
    flat_cornered = photo.copy()
    flat_cornered[[0, 0, -1, -1], [0, -1, 0, -1]] = 200
    assert cut_inset(flat_cornered) is None


@pytest.mark.parametrize("side", [28, 280])
def test_no_digit_is_an_inset_or_a_sheet(mnist, side):
    for image in mnist.test.images[:300, 0].numpy():
        picture = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        page = on_ground(picture, 0)
        assert cut_inset(page) is None
        assert not is_sheet(np.where(page > 60, page, 0))


def test_a_bar_and_a_nought_of_straight_lines_are_digits():
    page = np.full((300, 300), 255, np.uint8)
    one, nought = page.copy(), page.copy()
    one[40:260, 130:170] = 0
    cv2.rectangle(nought, (80, 40), (220, 260), 0, 20)
    for picture in (one, nought):
        assert not is_sheet(find_ink(picture))
        frame = frame_image(picture)[0]
        assert np.array_equal(frame, frame_image(picture[20:-20, 20:-20])[0])
    assert frame_image(one)[0, :, 12:16].sum() == frame_image(one).sum()


@pytest.mark.parametrize("degrees", [0, 10, 45])
def test_what_lies_on_a_sheet_is_read_however_it_is_turned(degrees):
    """A light card on a dark table: against it, all of the card is ink."""
    table = on_ground(seven(), 20, (80, 80, 80, 80))
    turn = cv2.getRotationMatrix2D((180, 180), degrees, 1)
    table = cv2.warpAffine(table, turn, (360, 360), borderValue=20)
    alone = cv2.warpAffine(on_ground(seven(), 225, (80, 80, 80, 80)), turn, (360, 360), borderValue=225)
    assert np.corrcoef(frame_image(alone).ravel(), frame_image(table).ravel())[0, 1] > 0.95
    assert cut_inset(table) is not None


def test_a_sheet_without_anything_on_it_is_what_there_is():
    table = on_ground(np.full((200, 200), 225, np.uint8), 20, (80, 80, 80, 80))
    assert frame_image(table).max() == 255


def test_a_sheet_seen_at_an_angle_is_one_and_a_round_spot_is_none():
    sheet, spot = np.zeros((2, 300, 300), np.uint8)
    cv2.fillConvexPoly(sheet, np.array([(60, 40), (230, 60), (270, 250), (30, 240)]), 200)
    cv2.circle(spot, (150, 150), 100, 200, -1)
    assert is_sheet(sheet)
    assert not is_sheet(spot)
    assert find_sheet(find_parts(spot)) is not None


def test_around_a_sheet_all_is_paper_of_its_colour():
    picture = np.zeros((300, 300, 3), np.uint8)
    corners = np.array([(150, 20), (280, 150), (150, 280), (20, 150)])
    cv2.fillConvexPoly(picture, corners, (200, 210, 220))
    sheet = on_sheet(picture, picture[:, :, 0])
    assert sheet.shape == (261, 261, 3)
    assert (sheet == (200, 210, 220)).all()
