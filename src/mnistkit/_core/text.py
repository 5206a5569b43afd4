"""Text of strangers: names of files and classes, made safe for a terminal and for a spreadsheet."""

from __future__ import annotations

import unicodedata

__all__ = ["csv_cell", "printable"]

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width forms included.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def printable(text: object, *, keep: str = "") -> str:
    r"""The text with all that a terminal might obey as escapes: control characters, changes of direction, lone surrogates.

    Letters of every script and all kinds of space stay as they are.

    Args:
        text: anything with a ``str``.
        keep: characters to leave alone, such as the newlines of a table.

    >>> printable("a\x1b[31m\n7.png")
    'a\\x1b[31m\\n7.png'
    """
    return "".join(
        character
        if character in keep or character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def csv_cell(text: object) -> str:
    """Printable text that no spreadsheet takes for a formula: an apostrophe stands before what would begin one.

    >>> csv_cell("=1+1"), csv_cell("7.png")
    ("'=1+1", '7.png')
    """
    cell = printable(text)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
