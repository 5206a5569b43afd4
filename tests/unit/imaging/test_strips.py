import cv2
import numpy as np
import pytest

from mnistkit.imaging import STRIP_HEIGHT, cut_strip


def page_with_bar(angle, *, side=200, at=(100, 100), size=(60, 20)):
    """Light, with one dark bar that falls by so many degrees to the right."""
    page = np.full((side, side), 240, np.uint8)
    corners = cv2.boxPoints((at, size, angle))
    cv2.fillPoly(page, [np.rint(corners * 16).astype(np.int32)], 20, cv2.LINE_AA, 4)
    return page


@pytest.mark.parametrize("angle", [-20, -7, 0, 12])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5])
def test_a_strip_is_level_and_of_its_height_whatever_the_page(angle, scale):
    side = round(200 * scale)
    page = cv2.resize(page_with_bar(angle), (side, side), interpolation=cv2.INTER_AREA)
    middle = (100 * scale, 100 * scale)
    strip = cut_strip(page, middle, (100 * scale, 32 * scale), angle, 100)
    assert strip.shape == (STRIP_HEIGHT, 100)
    dark = strip < 130
    rows, columns = np.flatnonzero(dark.mean(axis=1) > 0.3), np.flatnonzero(dark.mean(axis=0) > 0.3)
    assert abs((rows[0] + rows[-1] + 1) / 2 - 16) <= 1
    assert abs((columns[0] + columns[-1] + 1) / 2 - 50) <= 1
    assert abs(len(rows) - 20) <= 2
    assert abs(len(columns) - 60) <= 2
    # Level: full from edge to edge.
    assert dark[rows[3] : rows[-3], columns[3] : columns[-3]].all()


def test_beyond_the_part_and_the_page_goes_on_what_is_there():
    page = page_with_bar(0, at=(150, 100))
    strip = cut_strip(page, (50, 100), (100, 32), 0, 300)
    dark = np.flatnonzero((strip < 130).all(axis=0) | (strip[16] < 130))
    assert 118 <= dark[0] <= 122
    assert (strip[:, 250:] > 200).all()
