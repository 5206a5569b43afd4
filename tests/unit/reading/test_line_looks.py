"""What the columns of a strip say becomes the characters of a line."""

from dataclasses import replace

import numpy as np

from mnistkit.imaging import SIGNS
from mnistkit.reading.line_looks import BESIDE, Place, read_lines

PAGE, PLACE = np.full((80, 300), 255, np.uint8), Place(100.0, 152.0, 40.0, 20.0)
A_LETTER, NOTHING = 10 + len(SIGNS), 11 + len(SIGNS)


def told(shares, *, kinds=NOTHING + 1):
    """Columns that say what is given for some of them, and nothing for the others."""

    def columns(strips):
        probabilities = np.full((len(strips), kinds, strips.shape[2] // 2), 1e-4)
        probabilities[:, NOTHING] = 1
        for column, some in shares.items():
            probabilities[:, NOTHING, column] = 1e-3
            for kind, share in some.items():
                probabilities[:, kind, column] = share
        return np.log(probabilities)

    return columns


def line(shares):
    (found,) = read_lines([PLACE], 0.0, PAGE, told(shares))
    return found


def test_each_run_of_columns_is_a_character_with_its_middle():
    found = line({28: {4: 0.9}, 29: {4: 0.9}, 30: {4: 0.9}, 48: {7: 0.8}})
    assert found.told.argmax(axis=1).tolist() == [4, 7]
    # Columns of two pixels, from so far before the first digit.
    assert np.abs(found.middles - (100 - BESIDE * 20 + 2 * np.array([29.5, 48.5]))).max() < 0.5


def test_columns_that_differ_on_one_character_are_one():
    found = line({28: {0: 0.7, A_LETTER: 0.3}, 29: {0: 0.4, A_LETTER: 0.6}, 48: {7: 0.8}})
    assert len(found.middles) == 2
    assert np.allclose(found.told[0, [0, A_LETTER]], [0.55, 0.45], atol=0.01)
    assert found.sure.min() > 0.9


def test_neighbours_that_stand_close_are_two():
    found = line({27: {1: 0.9}, 28: {1: 0.9}, 29: {1: 0.9}, 30: {8: 0.9}, 31: {8: 0.9}, 32: {8: 0.9}})
    assert found.told.argmax(axis=1).tolist() == [1, 8]


def test_a_strip_of_nothing_has_no_characters():
    assert line({}).told.shape == (0, NOTHING)


def test_strips_of_about_one_length_are_read_together_each_as_far_as_it_goes():
    seen, says = [], told({28: {4: 0.9}})

    def columns(strips):
        seen.append(strips.shape[0])
        return says(strips)

    places = [replace(PLACE, right=right) for right in (152.0, 160.0, 280.0)]
    lines = read_lines(places, 0.0, PAGE, columns)
    assert seen == [2, 1]
    assert [line.place for line in lines] == places
    assert all(len(line.middles) == 1 for line in lines)


def test_what_is_read_together_has_no_more_columns_than_the_processor_keeps():
    seen, says = [], told({28: {4: 0.9}})

    def columns(strips):
        seen.append(strips.shape[0] * strips.shape[2])
        return says(strips)

    assert len(read_lines([replace(PLACE, y=20.0 + y) for y in range(40)], 0.0, PAGE, columns)) == 40
    assert len(seen) > 2
    assert max(seen) <= 2_000
