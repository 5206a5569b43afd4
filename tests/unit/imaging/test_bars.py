"""Bars are straight ink, lying or upright, however it hangs together."""

import cv2
import numpy as np
import pytest

from mnistkit.imaging.bars import find_bars


def test_bars_of_a_corner_and_a_point_are_told_apart():
    ink = np.zeros((120, 120), np.uint8)
    ink[20:30, 20:80] = ink[20:90, 20:30] = 200
    ink[100:108, 100:108] = 200
    bars, points, lit = find_bars(ink)
    lying, upright = sorted(bars, key=lambda bar: bar.upright)
    assert (lying.x, lying.y, lying.reach, lying.upright) == pytest.approx((50, 25, 30, False), abs=1)
    assert (upright.x, upright.y, upright.reach, upright.upright) == pytest.approx((25, 55, 35, True), abs=1)
    assert [(point.x, point.y) for point in points] == [(104, 104)]
    assert np.array_equal(lit, ink > 0)


def test_faint_ink_and_slanted_strokes_are_no_bars():
    ink = np.zeros((120, 220), np.uint8)
    ink[20:90, 20:30] = 255
    ink[20:90, 60:70] = 60
    cv2.line(ink, (110, 100), (180, 30), 255, 8)
    (bar,), points, lit = find_bars(ink)
    assert bar.x == pytest.approx(25, abs=1)
    assert not points
    assert not lit[:, 60:70].any()


def test_a_leaning_bar_has_a_slope():
    ink = np.zeros((120, 120), np.uint8)
    cv2.line(ink, (60, 20), (50, 90), 255, 9)
    (bar,), _, _ = find_bars(ink)
    assert bar.upright
    assert bar.slope == pytest.approx(-1 / 7, abs=0.02)


def test_a_texture_and_a_blank_page_have_none():
    specks = np.zeros((200, 200), np.uint8)
    specks[::5, ::5] = specks[1::5, ::5] = specks[2::5, ::5] = 255
    for ink in (specks, np.zeros((30, 30), np.uint8)):
        assert find_bars(ink)[0] == []
