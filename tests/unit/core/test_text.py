"""Names of strangers on a terminal and in a spreadsheet."""

import csv
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistkit._core.text import csv_cell, printable


@pytest.mark.parametrize("text", ["7.png", "Größe 7", "手写数字\u30007.png", "ÅÄÖ  x", "naïve « 7 »"])
def test_ordinary_text_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07.png", r"\x1b]0;owned\x07.png"),
        ("7\nmnistkit: done", r"7\nmnistkit: done"),
        ("\x9b31m", r"\x9b31m"),  # the one-byte form of ESC [
        ("gnp.\u202e7", r"gnp.\u202e7"),  # turns the direction of what follows
        (os.fsdecode(b"\xff.png"), r"\udcff.png"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_a_terminal_may_obey_is_escaped(text, shown):
    assert printable(text) == shown


def test_lines_of_a_table_can_be_kept():
    assert printable("a\nb\r\n\x1b", keep="\n") == "a\nb\\r\n\\x1b"


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_printed_in_one_line(text):
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)


@given(st.text(st.characters(exclude_categories=[])))
def test_no_cell_is_a_formula(text):
    file = io.StringIO(newline="")
    csv.writer(file).writerow([csv_cell(text), "next"])
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert row == [csv_cell(text), "next"]
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert row[0].removeprefix("'") == printable(text).removeprefix("'")
