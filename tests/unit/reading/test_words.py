"""Which characters stand together in a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mnistkit.reading.words import from_neighbours, from_other_words, words

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


def close(count, gap=2):
    """Boxes in a row, eight wide and twenty high."""
    left = (8 + gap) * np.arange(count)
    return np.column_stack([left, np.zeros(count), left + 8, np.full(count, 20)])


def test_neighbours_tell_letters_from_digits():
    letters = np.array([3.0, 3.0, -1.0, 3.0, -3.0, -3.0, 1.0, -3.0, -1.0])
    told = from_neighbours(np.array([0, 0, 0, 0, 4, 4, 4, 4, 8]), close(9), letters) + letters
    # What looks like a digit among letters, and the other way round; alone it is what it looks like.
    assert np.sign(told).tolist() == [1, 1, 1, 1, -1, -1, -1, -1, -1]
    assert told[8] == letters[8]


def test_a_number_behind_letters_stays_one():
    letters = np.array([4.0, 4.0, 4.0, -4.0, -4.0, -4.0])
    assert np.sign(from_neighbours(np.zeros(6, int), close(6), letters) + letters).tolist() == [1] * 3 + [-1] * 3


def test_the_wider_the_gap_the_less_neighbours_tell():
    told = [from_neighbours(np.zeros(2, int), close(2, gap), np.array([4.0, 0.0]))[1] for gap in (0, 4, 6, 8, 10)]
    assert told[0] == told[1] > told[2] > told[3] > told[4] == 0


@given(arrays.arrays(np.float64, st.integers(0, 9), elements=st.floats(-4, 4)), st.randoms())
def test_what_neighbours_tell_does_not_depend_on_the_order(letters, random):
    order = random.sample(range(len(letters)), len(letters))
    word, boxes = np.arange(len(letters)) // 4, close(len(letters))
    told = from_neighbours(word, boxes, letters)
    assert np.allclose(told[order], from_neighbours(word[order], boxes[order], letters[order]))
    # From one side no more than how seldom letters and digits follow each other.
    assert (np.abs(told) < 8).all()


def test_among_words_what_looks_like_a_number_is_rather_a_word():
    words_alone = np.array([8.0, 8.0, 8.0, -2.0])
    told = from_other_words(np.arange(4), words_alone) + words_alone
    assert (told > 0).all()
    # As many numbers as words tell nothing, and numbers alone do not speak against a letter.
    assert not from_other_words(np.arange(5), np.array([8.0, 8.0, -8.0, -8.0, -1.0]))[4]
    assert not from_other_words(np.arange(4), np.array([-8.0, -8.0, -8.0, 1.0])).any()


def test_one_word_tells_nothing_of_a_number_beside_it():
    assert not from_other_words(np.array([0, 0, 0, 3]), np.array([4.0, 4.0, 4.0, -1.0])).any()


def test_what_is_surely_a_number_stays_one_on_a_page_of_words():
    letters = np.array([8.0] * 90 + [-4.0])
    assert from_other_words(np.arange(91), letters)[-1] + letters[-1] < 0


@given(arrays.arrays(np.float64, st.integers(0, 30), elements=st.floats(-9, 9)), st.randoms())
def test_what_other_words_tell_does_not_depend_on_the_order(letters, random):
    order, word = random.sample(range(len(letters)), len(letters)), np.arange(len(letters)) // 2
    assert np.allclose(from_other_words(word, letters)[order], from_other_words(word[order], letters[order]))
