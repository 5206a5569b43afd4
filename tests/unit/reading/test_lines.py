import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistkit.reading.lines import order, slope


def grid(rows, columns, pitch=(30, 50), size=(16, 24)):
    """The boxes of a page of digits, line by line."""
    return [
        (x * pitch[0], y * pitch[1], x * pitch[0] + size[0], y * pitch[1] + size[1])
        for y in range(rows)
        for x in range(columns)
    ]


def turned(boxes, degrees):
    """The same about the origin, each box upright still."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    boxes = np.array(boxes, float)
    middles, halves = (boxes[:, :2] + boxes[:, 2:]) / 2 @ turn.T, (boxes[:, 2:] - boxes[:, :2]) / 2
    return [tuple(box) for box in np.hstack([middles - halves, middles + halves]).tolist()]


def of_digits(boxes, degrees):
    return order(np.array(boxes, float), np.ones(len(boxes), bool), degrees)


@given(
    st.integers(1, 5),
    st.integers(4, 9),
    st.sampled_from([-20, -12, -5, -1, 0, 2, 7, 15, 20]),
    st.randoms(use_true_random=False),
)
def test_lines_are_read_in_order_however_the_page_is_skewed(rows, columns, degrees, random):
    boxes = turned(grid(rows, columns), degrees)
    numbers = list(range(len(boxes)))
    random.shuffle(numbers)
    shuffled = [boxes[number] for number in numbers]
    found = slope(np.array(shuffled))
    assert found == pytest.approx(degrees, abs=1.5)
    lines = of_digits(shuffled, found)
    assert [[numbers[n] for group in line for n in group] for line in lines] == [
        list(range(row * columns, (row + 1) * columns)) for row in range(rows)
    ]


@given(st.floats(-20, 20), st.integers(3, 6))
def test_the_slope_of_long_lines_is_known_to_a_fifth_of_a_degree(degrees, rows):
    assert slope(np.array(turned(grid(rows, 30), degrees))) == pytest.approx(degrees, abs=0.2)


def test_a_few_digits_have_no_slope():
    assert slope(np.array(turned(grid(1, 3), 10))) == 0.0


def test_a_wide_gap_parts_groups():
    boxes = [*grid(1, 3), *((left + 150, top, right + 150, bottom) for left, top, right, bottom in grid(1, 2))]
    assert of_digits(boxes, 0.0) == [[[0, 1, 2], [3, 4]]]


def test_digits_that_stand_wide_apart_are_one_group():
    assert of_digits(grid(1, 6, pitch=(70, 50)), 0.0) == [[[0, 1, 2, 3, 4, 5]]]


def test_signs_are_in_the_group_of_the_digits_beside_them():
    digits = grid(1, 3)
    _, _, right, bottom = digits[1]
    point = (right + 2.0, bottom - 4.0, right + 6.0, bottom)
    boxes = np.array([*digits, point])
    assert order(boxes, np.array([True, True, True, False]), 0.0) == [[[0, 1, 3, 2]]]


def test_a_sign_far_from_every_digit_is_none():
    boxes = np.array([*grid(1, 3), (2000.0, 2000.0, 2010.0, 2010.0)])
    assert order(boxes, np.array([True, True, True, False]), 0.0) == [[[0, 1, 2]]]
