"""Strokes of ink that fit finds, and those that touch them."""

import cv2
import numpy as np
import pytest

from mnistkit.imaging import find_parts
from mnistkit.reading.strokes import UNSEEN, find_strokes

RINGS = np.zeros((80, 140), np.uint8)
for middle in (42, 90):
    cv2.ellipse(RINGS, (middle, 40), (22, 28), 0, 0, 360, 255, 5, cv2.LINE_AA)
LEFT, RIGHT = (17.0, 9.0, 67.0, 71.0), (65.0, 9.0, 115.0, 71.0)


def share(first, second):
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    common = (high - low).clip(min=0).prod()
    areas = [(np.array(box[2:]) - box[:2]).prod() for box in (first, second)]
    return common / (sum(areas) - common)


@pytest.mark.parametrize("boxes", [(LEFT, RIGHT), (RIGHT,), (LEFT,)], ids=str)
def test_a_digit_is_cut_from_the_one_it_touches_whether_both_were_found_or_one(boxes):
    strokes = find_strokes(find_parts(RINGS), np.array(boxes))
    found = [[one for one in strokes if share(one.box, box) > 0.75] for box in (LEFT, RIGHT)]
    assert all(found)
    for same, box in zip(found, (LEFT, RIGHT), strict=True):
        assert any((one.find == UNSEEN) == (box not in boxes) for one in same)
    assert all((one.fit == 0) == (one.find == UNSEEN) for one in strokes)


def test_parts_of_a_single_digit_are_no_digits():
    strokes = find_strokes(find_parts(RINGS), np.array([LEFT]), touching=np.array([False]))
    assert {one.find for one in strokes} == {0}


def test_ink_that_nothing_was_found_in_is_no_digit():
    assert find_strokes(find_parts(RINGS), np.array([[120.0, 60, 139, 79]])) == []
    specks = np.zeros((40, 40), np.uint8)
    specks[[5, 30], [5, 30]] = 255
    assert find_strokes(find_parts(specks), np.array([LEFT])) == []
