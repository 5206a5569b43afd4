"""What the columns of a strip say becomes the characters of a line."""

import numpy as np

from mnistkit.imaging import SIGNS
from mnistkit.reading.one_line import BESIDE, read_line

PAGE, ENDS, BAND = np.full((80, 300), 255, np.uint8), (100.0, 152.0), (30.0, 50.0)
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
    return read_line(ENDS, BAND, 0.0, PAGE, told(shares), 1000, 0)


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
