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
