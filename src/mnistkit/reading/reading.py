"""Reading: what stands on a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from mnistkit._core import html
from mnistkit._core.style import Theme, dress, look_of, one_axes
from mnistkit.errors import MissingExtraError
from mnistkit.imaging import to_grey
from mnistkit.reading.prediction import Prediction
from mnistkit.reading.table import Character, Table, table_of
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["UNSURE", "ReadDigit", "ReadSign", "Reading"]

#: Stands for a digit that got no answer.
UNSURE = "?"

# Below this confidence a box is dashed; a longer title would not fit above the picture.
_SURE, _LONGEST_TITLE = 0.9, 60
_NUMBER = re.compile(r"(?<![\d.,])-?\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class ReadDigit:
    """A digit in a picture.

    Attributes:
        prediction: what the model says of it.
        box: left, top, right and bottom edge, in pixels of the picture as it is upright.
        line: the number of its line, from 0.
        group: the number of its group in that line, from 0: a word, a number, a cell.
        none: the probability that it is no digit.
    """

    prediction: Prediction
    box: tuple[float, float, float, float]
    line: int
    group: int = 0
    none: float = 0.0

    @property
    def text(self) -> str:
        """The name of its class; ``"?"`` if ``prediction.rejected`` says why it should not be taken."""
        return self.prediction.name if self.prediction.rejected is None else UNSURE

    @property
    def confidence(self) -> float:
        """The probability of the digit that was read, if it is one."""
        return self.prediction.confidence

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {
            "digit": self.prediction.name,
            "confidence": self.confidence,
            "none": self.none,
            "rejected": self.prediction.rejected,
            "box": list(self.box),
            "line": self.line,
            "group": self.group,
        }


@dataclass(frozen=True)
class ReadSign:
    """A minus, a point, a comma or a per cent sign beside the digits.

    Attributes:
        text: one of ``-.,%``.
        box: as that of a digit.
        line: the number of its line, from 0.
        group: the number of its group in that line, from 0.
        confidence: the probability that it is this sign.
    """

    text: str
    box: tuple[float, float, float, float]
    line: int
    group: int
    confidence: float

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {
            "sign": self.text,
            "confidence": self.confidence,
            "box": list(self.box),
            "line": self.line,
            "group": self.group,
        }


@dataclass(frozen=True)
class Reading:
    """What a picture of digits says; prints as its lines.

    Attributes:
        characters: digits and signs, in reading order.
        picture: uint8 ``(H, W)`` or ``(H, W, 3)``: what was looked at, the picture scaled down if it is large.
        scale: pixels of the picture to one of ``picture``.
        turned: by how many degrees the picture was turned counter-clockwise to be read: 0, 90, 180 or 270. A page of few
            characters has no direction of its own; it is read as it is.
        slope: by how many degrees its lines fall to the right, after that.
    """

    characters: tuple[ReadDigit | ReadSign, ...]
    picture: np.ndarray = field(repr=False, compare=False)
    scale: float = 1.0
    turned: int = 0
    slope: float = 0.0

    @property
    def digits(self) -> tuple[ReadDigit, ...]:
        """In reading order."""
        return tuple(character for character in self.characters if isinstance(character, ReadDigit))

    @property
    def signs(self) -> tuple[ReadSign, ...]:
        """In reading order; none where only digits are looked for, as strokes alone tell no more."""
        return tuple(character for character in self.characters if isinstance(character, ReadSign))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The text of each group, of characters that stand together, from left to right, line by line."""
        lines: list[list[str]] = []
        last = (-1, -1)
        for character in self.characters:
            place = character.line, character.group
            if place[0] != last[0]:
                lines.append([])
            if place != last:
                lines[-1].append("")
            lines[-1][-1] += character.text
            last = place
        return tuple(tuple(line) for line in lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line, from top to bottom, with a space between groups."""
        return tuple(" ".join(groups) for groups in self.groups)

    @property
    def text(self) -> str:
        """All digits in reading order, and nothing else; ``"?"`` for each that got no answer."""
        return "".join(digit.text for digit in self.digits)

    @property
    def numbers(self) -> tuple[Decimal, ...]:
        """The number in each group that has one.

        A comma before exactly three digits, or before a later point or comma, parts thousands; another is a decimal comma.
        A per cent sign is a unit: of ``50%`` the number is 50. A group with a digit that got no answer is no number.
        """
        groups = [group for groups in self.groups for group in groups if UNSURE not in group]
        return tuple(number for group in groups for number in numbers_in(group))

    @property
    def table(self) -> Table:
        """What stands on the page as rows and columns, with the empty cells between them.

        Cells are those of a ruled table if the page has one that most of the characters stand in; what stands beside it is not
        part of it. Without rules, what stands over each other is a column.
        """
        page = np.ascontiguousarray(np.rot90(to_grey(self.picture), self.turned // 90))
        return table_of([self._as_read(character) for character in self.characters], self.slope, page)

    def _as_read(self, character: ReadDigit | ReadSign) -> Character:
        """Where it stands on the page as that was turned to be read."""
        left, top, right, bottom = (edge / self.scale for edge in character.box)
        sides = self.picture.shape[1::-1]
        for quarter in range(self.turned // 90):
            wide = sides[quarter % 2]
            left, top, right, bottom = top, wide - right, bottom, wide - left
        return character.text, (left, top, right, bottom), character.line

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it, without the picture."""
        return {
            "text": self.text,
            "lines": list(self.lines),
            "numbers": [str(number) for number in self.numbers],
            "turned": self.turned,
            "slope": self.slope,
            "digits": [digit.to_json() for digit in self.digits],
            "signs": [sign.to_json() for sign in self.signs],
        }

    def to_pandas(self) -> DataFrame:
        """A row for each digit and sign, in reading order.

        The columns are ``text``, ``confidence``, ``none`` (a sign has none), ``rejected``, ``line``, ``group``, ``left``,
        ``top``, ``right`` and ``bottom``.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("pandas", "pandas", "Reading.to_pandas()") from error
        columns = ["text", "confidence", "none", "rejected", "line", "group", "left", "top", "right", "bottom"]
        rows = [
            (
                one.text,
                one.confidence,
                one.none if isinstance(one, ReadDigit) else None,
                one.prediction.rejected if isinstance(one, ReadDigit) else None,
                one.line,
                one.group,
                *one.box,
            )
            for one in self.characters
        ]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        unsure = sum(digit.prediction.rejected is not None for digit in self.digits)
        title = f"{len(self.digits):,} digits in {len(self.lines):,} lines"
        known = {
            "not sure enough": f"{unsure:,}, each a {UNSURE}" if unsure else "",
            "turned": f"{self.turned}°" if self.turned else "",
        }
        # Imported late: it loads what draws text, and reading draws nothing.
        import PIL.Image
        import PIL.ImageDraw

        page = PIL.Image.fromarray(self.picture).convert("RGB")
        pen = PIL.ImageDraw.Draw(page)
        for character in self.characters:
            box = [edge / self.scale for edge in character.box]
            pen.rectangle(box, outline=look_of("light").lines[0], width=max(1, round(max(page.size) / 400)))
        picture = html.picture(np.asarray(page), str(self), side=400)
        return html.panel(
            title, html.row(picture, html.table(["lines"], [[line] for line in self.lines])), html.facts(known)
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def figure(self, *, theme: Theme = "light") -> Figure:
        """The picture with a box round every digit; round one that is not sure, a dashed one.

        Args:
            theme: ``"light"`` or ``"dark"``.

        Raises:
            MissingExtraError: if matplotlib is not installed.
            ConfigError: for an unknown theme.
        """
        height, width = self.picture.shape[:2]
        size = 8.0 / max(height, width)
        inches = max(3.0, size * width), max(1.6, size * height)
        figure, axes = one_axes(None, inches, theme, "Reading.figure()")
        from matplotlib.patches import Rectangle

        look = look_of(theme)
        axes.imshow(self.picture, cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        for digit in self.digits:
            left, top, right, bottom = (edge / self.scale for edge in digit.box)
            sure = digit.confidence >= _SURE and digit.prediction.rejected is None
            colour = look.lines[0] if sure else look.wrong
            box = Rectangle(
                (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle="-" if sure else "--"
            )
            axes.add_patch(box)
            text = digit.text if sure else f"{digit.text} {digit.confidence:.0%}"
            label = {"facecolor": look.paper, "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
            axes.text((left + right) / 2, top, text, color=colour, ha="center", va="bottom", bbox=label)
        said = " / ".join(self.lines) or "no digits"
        axes.set_title(said if len(said) <= _LONGEST_TITLE else f"{len(self.digits)} digits in {len(self.lines)} lines")
        dress(axes, theme, frame=False)
        return figure


def numbers_in(group: str) -> Sequence[Decimal]:
    """The numbers of a text of digits and signs.

    >>> [str(number) for text in ("-5", "1,000.5", "3,14", "50%", "1.2.3") for number in numbers_in(text)]
    ['-5', '1000.5', '3.14', '50']
    """
    numbers = []
    for match in _NUMBER.finditer(group):
        parts = re.split(r"([.,])", match.group())
        marks = parts[1::2]
        whole, last = "".join(parts[0:-1:2]), parts[-1]
        if not marks:
            numbers.append(Decimal(last))
        elif all(mark == "," for mark in marks) and all(len(part) == 3 for part in parts[2::2]):
            numbers.append(Decimal(whole + last))
        elif len(set(marks[:-1])) <= 1 and marks[-1] not in marks[:-1]:
            numbers.append(Decimal(f"{whole}.{last}"))
    return numbers
