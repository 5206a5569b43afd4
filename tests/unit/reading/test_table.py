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


def test_an_empty_page_is_an_empty_table():
    table = table_of([])
    assert (table.rows, table.columns, str(table)) == (0, 0, "")


def test_cells_go_to_pandas():
    pandas = pytest.importorskip("pandas")
    frame = table_of(CHARACTERS).to_pandas()
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame([["1", "", "3"], ["4", "56", "7"]]))
