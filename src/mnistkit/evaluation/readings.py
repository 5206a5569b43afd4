"""How well whole pictures of digits are read."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import PIL.Image

from mnistkit._core.files import write_atomically
from mnistkit._core.json import plain
from mnistkit._core.statistics import Proportion, bootstrap_interval
from mnistkit.errors import DataError, ImageError
from mnistkit.evaluation.files import write_json
from mnistkit.imaging import load_image, shrink
from mnistkit.reading import Predictor, Reading
from mnistkit.types import ImageLike, JsonValue, PathLike

__all__ = ["PageOutcome", "ReadingFigures", "ReadingReport", "edit_distance", "evaluate_reading"]

# Not compared: where lines end, and signs, which are no digits.
_LEFT_OUT = str.maketrans("", "", " \t\r\n/-.,%")
# Wrong pages are drawn in a report with this side, in pixels.
_SIDE = 640


@dataclass(frozen=True)
class PageOutcome:
    """What was read of one picture.

    Attributes:
        name: what the picture is called.
        kind: what kind of picture it is; ``""`` if no kinds were given.
        label: the digits that it shows, in reading order.
        text: the digits that were read.
        errors: the least number of digits to insert, delete or replace that makes ``label`` of ``text``.
        boxes: of a picture that was read wrongly, each digit with its left, top, right and bottom edge in shares of the
            picture; empty where the reader says only what it read.
        preview: that picture as a small JPEG file; empty where all is right.
    """

    name: str
    kind: str
    label: str
    text: str
    errors: int
    boxes: tuple[tuple[str, float, float, float, float], ...] = field(default=(), repr=False)
    preview: bytes = field(default=b"", repr=False)

    @property
    def share(self) -> float:
        """The errors for each digit of the label, at most 1."""
        return min(1.0, self.errors / max(1, len(self.label)))

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it, without the picture."""
        return {"name": self.name, "kind": self.kind, "label": self.label, "text": self.text, "errors": self.errors}


@dataclass(frozen=True)
class ReadingFigures:
    """The figures of some pictures. Every interval is one of 95 %.

    Attributes:
        whole: how many of the pictures were read without any error.
        digits: how many digits the labels have.
        errors: how many digits were read wrongly, missed, or read where there is none.
        error_rate: the character error rate, ``errors / digits``; NaN if there are no digits.
        error_interval: of the error rate, from pictures drawn anew with all their errors (bootstrap); of no width where
            there is no error at all: then the interval of ``whole`` says more.
        mean_error: the mean over the pictures of the errors for each digit, at most 1: a large page counts as much as a
            small one.
        mean_interval: of the mean, by the same bootstrap.
    """

    whole: Proportion
    digits: int
    errors: int
    error_rate: float
    error_interval: tuple[float, float]
    mean_error: float
    mean_interval: tuple[float, float]

    @classmethod
    def of(cls, outcomes: Sequence[PageOutcome]) -> ReadingFigures:
        """Count over some pictures, at least one."""
        wrong, digits = [outcome.errors for outcome in outcomes], [len(outcome.label) for outcome in outcomes]
        shares = [outcome.share for outcome in outcomes]
        known = sum(digits) > 0
        return cls(
            Proportion(wrong.count(0), len(outcomes)),
            sum(digits),
            sum(wrong),
            sum(wrong) / sum(digits) if known else float("nan"),
            bootstrap_interval(wrong, digits) if known else (float("nan"), float("nan")),
            float(np.mean(shares)),
            bootstrap_interval(shares, [1] * len(shares)),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it; what does not exist is ``None``."""
        return {name: plain(value) for name, value in {**asdict(self), "whole": self.whole.to_json()}.items()}


@dataclass(frozen=True)
class ReadingReport:
    """What :func:`evaluate_reading` measured; prints as a table.

    Attributes:
        outcomes: what was read of each picture, in their order.
    """

    outcomes: tuple[PageOutcome, ...]

    @functools.cached_property
    def figures(self) -> ReadingFigures:
        """Of all pictures."""
        return ReadingFigures.of(self.outcomes)

    @functools.cached_property
    def kinds(self) -> dict[str, ReadingFigures]:
        """Of each kind of picture by its name, in the order in which they first come; empty if no kinds were given."""
        names = dict.fromkeys(outcome.kind for outcome in self.outcomes)
        if set(names) == {""}:
            return {}
        return {name: ReadingFigures.of([one for one in self.outcomes if one.kind == name]) for name in names}

    @property
    def mistakes(self) -> tuple[PageOutcome, ...]:
        """Every picture that was not read right, those with the largest share of errors first."""
        wrong = [outcome for outcome in self.outcomes if outcome.errors]
        return tuple(sorted(wrong, key=lambda outcome: (-outcome.share, -outcome.errors)))

    def __str__(self) -> str:
        rows = {"all": self.figures, **self.kinds}
        wide = max(map(len, rows))
        lines = [f"{'':{wide}}  pages  whole  95 % interval     digits  error rate  mean of the pages"]
        for name, row in rows.items():
            low, high = row.whole.interval
            lines.append(
                f"{name:{wide}}  {row.whole.count:>5,}  {row.whole.correct:>5,}  {low:>6.1%} to {high:>6.1%}  {row.digits:>6,}  "
                f"{row.error_rate:>10.2%}  {row.mean_error:>17.2%}"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, JsonValue]:
        """Every figure and every picture's outcome as JSON can hold it; what does not exist is ``None``."""
        return {
            **self.figures.to_json(),
            "kinds": {name: row.to_json() for name, row in self.kinds.items()},
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }

    def save(self, path: PathLike) -> None:
        """Write what :meth:`to_json` gives as a file, whole or not at all.

        Raises:
            WriteError: if it cannot be written.
        """
        write_json(path, "reading report", self.to_json())

    def save_html(self, path: PathLike, *, most: int = 300) -> None:
        """Write one page for a browser that needs nothing else: the figures, and the pictures that were read wrongly.

        Args:
            path: the file.
            most: how many pictures to show, those with the largest share of errors first.

        Raises:
            WriteError: if the file cannot be written.
        """
        from mnistkit.evaluation.readings_page import render

        write_atomically(path, render(self, most).encode())


def evaluate_reading(
    pictures: Iterable[ImageLike],
    labels: Sequence[str],
    *,
    reader: Callable[[ImageLike], Reading | str] | None = None,
    kinds: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> ReadingReport:
    """Measure how well pictures of several digits are read.

    Digits are compared, in reading order. Where lines end does not count, and neither do a minus, a point, a comma and a
    per cent sign.

    Args:
        pictures: such as :meth:`mnistkit.Predictor.read` takes, read one after the other.
        labels: what each shows, such as ``"5031"``, with its lines from top to bottom: ``"12/345"``; ``""`` if it has no
            digit.
        reader: what reads them: from a picture to a :class:`~mnistkit.Reading`, or to text, as another program gives it.
            By default ``Predictor().read``.
        kinds: what kind of picture each is, if figures are wanted by kind.
        names: what each is called; by default its path, or its number.

    Raises:
        DataError: if there are no pictures, or not as many labels, kinds or names; for a label that is no text.
        ImageError: if a picture cannot be read; its name is said.

    >>> images = load_mnist().validation.images[:2, 0].numpy()
    >>> report = evaluate_reading(images, ["20", "5"], reader=lambda picture: "20")
    >>> report.figures.whole.correct, report.figures.errors, report.mistakes[0].text
    (1, 2, '20')
    """
    read = Predictor().read if reader is None else reader
    for what, given in (("kinds", kinds), ("names", names)):
        if given is not None and len(given) != len(labels):
            raise DataError(f"got {len(labels)} labels and {len(given)} {what}, expected as many")
    outcomes: list[PageOutcome] = []
    for place, picture in enumerate(pictures):
        if place >= len(labels):
            raise DataError(f"got {len(labels)} labels and more pictures than these, expected as many")
        name = names[place] if names is not None else _name(picture, place)
        outcomes.append(_outcome(picture, labels[place], read, name, "" if kinds is None else kinds[place]))
    if not outcomes or len(outcomes) < len(labels):
        raise DataError(f"got {len(labels)} labels and {len(outcomes)} pictures, expected as many, and at least one")
    return ReadingReport(tuple(outcomes))


def _name(picture: ImageLike, place: int) -> str:
    path = isinstance(picture, os.PathLike) or (isinstance(picture, str) and len(picture) < 4096)
    return os.fsdecode(picture) if path else f"picture {place}"  # type: ignore[arg-type]  # a path, as path says


def _outcome(
    picture: ImageLike, label: str, read: Callable[[ImageLike], Reading | str], name: str, kind: str
) -> PageOutcome:
    if not isinstance(label, str):
        raise DataError(f'the label of {name} is a {type(label).__name__}, expected text such as "0451"')
    try:
        said = read(picture)
        text = said.text if isinstance(said, Reading) else said.translate(_LEFT_OUT)
        wanted = label.translate(_LEFT_OUT)
        errors = edit_distance(text, wanted)
        if not errors:
            return PageOutcome(name, kind, wanted, text, 0)
        pixels = said.picture if isinstance(said, Reading) else load_image(picture, channels=3)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    return PageOutcome(name, kind, wanted, text, errors, _boxes(said), _jpeg(pixels))


def _boxes(said: Reading | str) -> tuple[tuple[str, float, float, float, float], ...]:
    if isinstance(said, str):
        return ()
    height, width = said.picture.shape[:2]
    wide, high = width * said.scale, height * said.scale
    return tuple(
        (digit.text, digit.box[0] / wide, digit.box[1] / high, digit.box[2] / wide, digit.box[3] / high)
        for digit in said.digits
    )


def _jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(shrink(pixels, _SIDE)).save(file, "JPEG", quality=80)
    return file.getvalue()


def edit_distance(first: str, second: str) -> int:
    """The least number of characters to insert, delete or replace (Levenshtein 1966).

    >>> edit_distance("1234", "134"), edit_distance("", "7"), edit_distance("5016", "5076")
    (1, 1, 1)
    """
    letters = np.array(list(second), "U1")
    places = np.arange(len(second) + 1)
    row = places
    for count, letter in enumerate(first, 1):
        kept_or_replaced, deleted = row[:-1] + (letters != letter), row[1:] + 1
        row = np.concatenate(([count], np.minimum(kept_or_replaced, deleted)))
        # Insertions, any number of them: from every place on the left, one for each step.
        row = np.minimum.accumulate(row - places) + places
    return int(row[-1])
