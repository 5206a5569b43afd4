"""Which characters stand together in a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mnistkit.reading.words import words

# Corners of boxes of 1 to 30 pixels.
BOXES = arrays.arrays(
    np.float64, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(1, 30).map(float)
).map(lambda raw: np.hstack([3 * raw[:, :2], 3 * raw[:, :2] + raw[:, 2:]]))


def box(left, top=0, width=10, height=20):
    return [left, top, left + width, top + height]


def test_a_space_parts_words_and_letters_of_other_heights_do_not():
    assert words(np.array([box(0), box(12, top=8, height=12), box(24), box(52), box(64)])).tolist() == [0, 0, 0, 3, 3]


def test_lines_and_signs_are_words_of_their_own():
    assert words(np.array([box(0), box(0, top=22), box(12, top=16, width=3, height=4)])).tolist() == [0, 1, 2]


def test_a_long_word_is_one():
    assert set(words(np.array([box(12 * place) for place in np.random.default_rng(0).permutation(50)])).tolist()) == {0}


@given(BOXES, st.randoms())
def test_the_order_of_boxes_and_their_place_on_the_page_do_not_matter(boxes, random):
    order = random.sample(range(len(boxes)), len(boxes))
    first, second = words(boxes)[order], words(boxes[order] + 100)
    assert np.array_equal(first[:, None] == first, second[:, None] == second)
