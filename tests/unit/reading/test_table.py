import itertools

import numpy as np
import pytest

from mnistkit.reading.table import table_of

# Two rows of three columns; the middle of the first is empty, and one cell has two digits.
CHARACTERS = [
    ("1", (0, 0, 16, 24), 0),
    ("3", (120, 0, 136, 24), 0),
    ("4", (2, 50, 18, 74), 1),
    ("5", (56, 50, 72, 74), 1),
    ("6", (74, 50, 90, 74), 1),
    ("7", (121, 50, 137, 74), 1),
]


def test_cells_that_stand_over_each_other_are_a_column():
    table = table_of(CHARACTERS)
    assert table.cells == (("1", "", "3"), ("4", "56", "7"))
    assert (table.rows, table.columns) == (2, 3)
    assert str(table) == " 1  .  3\n 4 56  7"


def test_digits_of_narrow_cells_stay_apart():
    # Half a digit's height is between them, and less than a fourth in a number of two digits.
    row = [(str(n), (32.0 * n, 0.0, 32.0 * n + 20, 24.0), 0) for n in range(3)]
    below = [("4", (0.0, 50.0, 12.0, 74.0), 1), ("2", (17.0, 50.0, 29.0, 74.0), 1), ("5", (66.0, 50.0, 82.0, 74.0), 1)]
    assert table_of([*row, *below]).cells == (("0", "1", "2"), ("42", "", "5"))


def test_an_empty_page_is_an_empty_table():
    table = table_of([])
    assert (table.rows, table.columns, str(table)) == (0, 0, "")


def test_cells_go_to_pandas():
    pandas = pytest.importorskip("pandas")
    frame = table_of(CHARACTERS).to_pandas()
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame([["1", "", "3"], ["4", "56", "7"]]))


def ruled_page(cell=50):
    """Three rows and three columns."""
    page = np.full((3 * cell + 41, 3 * cell + 41), 235, np.uint8)
    for n in range(4):
        page[20 + n * cell, 20 : 21 + 3 * cell] = page[20 : 21 + 3 * cell, 20 + n * cell] = 90
    return page


def in_cell(text, row, column, at=0.0, cell=50):
    left, top = 20 + cell * column + 15 + at, 20 + cell * row + 12
    return text, (left, top, left + 16.0, top + 26.0), row


def test_rules_tell_of_rows_and_columns_in_which_nothing_stands():
    characters = [in_cell("4", 0, 2), in_cell("7", 2, 0, -12.0), in_cell("1", 2, 0, 8.0)]
    table = table_of(characters, 0.0, ruled_page())
    assert table.cells == (("", "", "4"), ("", "", ""), ("71", "", ""))
    # Without the page, nobody knows of them.
    assert table_of(characters).cells == (("", "4"), ("71", ""))


def test_what_stands_beside_a_ruled_table_is_not_in_it():
    page = np.pad(ruled_page(), ((0, 0), (0, 60)), constant_values=235)
    beside = "9", (200.0, 30.0, 216.0, 56.0), 0
    table = table_of([*(in_cell(str(n), n, n) for n in range(3)), in_cell("5", 2, 0), beside], 0.0, page)
    assert table.cells == (("0", "", ""), ("", "1", ""), ("5", "", "2"))


def test_digits_on_squared_paper_are_no_table_of_its_squares():
    page = np.full((200, 200), 235, np.uint8)
    page[::20], page[:, ::20] = 150, 150
    characters = [("3", (30.0, 50.0, 52.0, 95.0), 0), ("8", (150.0, 50.0, 171.0, 95.0), 0)]
    assert table_of(characters, 0.0, page).cells == (("3", "8"),)


def test_columns_of_a_page_that_is_askew_stay_columns():
    # Lines fall by ten degrees; what stands over each other moves to the left from line to line.
    radians = np.radians(10.0)
    characters = []
    for row, column in itertools.product(range(6), range(2)):
        u, v = 60.0 * column, 50.0 * row
        x, y = u * np.cos(radians) - v * np.sin(radians), u * np.sin(radians) + v * np.cos(radians)
        characters.append((str(row), (x, y, x + 16, y + 24), row))
    assert table_of(characters, 10.0).cells == tuple((str(row), str(row)) for row in range(6))
