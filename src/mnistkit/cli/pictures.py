"""What the commands that look at pictures share: their options, files and results."""

from __future__ import annotations

import argparse
import collections
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mnistkit._core.files import replacing, user_path, write_atomically
from mnistkit._core.text import printable
from mnistkit.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mnistkit._core.progress import Progress
    from mnistkit.reading import Predictor

__all__ = [
    "Picture",
    "add_coverage",
    "add_files",
    "add_model_arguments",
    "add_theme",
    "new_files",
    "noting",
    "pictures_of",
    "predictor_of",
    "raise_any",
    "save_figure",
    "write_csv",
]

_T = TypeVar("_T")

# Standard input may have no end.
_MOST_BYTES = 2**28
# Of the 255 that a name may have, less the number and the ending.
_MOST_BYTES_OF_NAME = 240


class Picture(NamedTuple):
    """A picture, or a page of a document of several: its number, from 1."""

    file: str
    source: Path | bytes | str
    page: int | None = None

    @property
    def name(self) -> str:
        """What it is called in what is printed."""
        return self.file if self.page is None else f"{self.file}, page {self.page}"


def add_files(parser: argparse.ArgumentParser, what: str) -> None:
    """The files to read."""
    parser.add_argument("files", nargs="+", metavar="FILE", help=what)


def add_coverage(parser: argparse.ArgumentParser, what: str) -> None:
    """Which answers to give."""
    parser.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help=f"answer only what is as certain as this share of good {what} is, such as 0.98",
    )


def add_theme(parser: argparse.ArgumentParser) -> None:
    """The colours of figures."""
    parser.add_argument(
        "--theme", choices=("light", "dark"), default="light", help="the colours of figures (default: %(default)s)"
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What reads them."""
    parser.add_argument("--checkpoint", type=Path, help="a model or training file (default: the weights that ship)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")


def raise_any(failures: Sequence[ImageError], count: int) -> None:
    """End with the first failure's exit code, if there is any: one bad picture does not hide what the others show."""
    if failures:
        raise type(failures[0])(f"{len(failures)} of {count} pictures could not be read")


def predictor_of(options: argparse.Namespace) -> Predictor:
    """What the options say that reads the pictures."""
    from mnistkit.reading import Predictor

    if options.checkpoint is None:
        return Predictor(device=options.device)
    return Predictor.from_checkpoint(options.checkpoint, device=options.device)


def pictures_of(names: Sequence[str]) -> list[Picture]:
    """The files of these names, and those in these folders."""
    from mnistkit.imaging import image_files

    if names.count("-") > 1:
        raise ConfigError("- is given twice, but standard input can be read only once")
    pictures: list[Picture] = []
    for name in names:
        path = user_path(name)
        if name == "-":
            pictures.append(Picture(name, _standard_input()))
        elif "://" in name and not os.path.lexists(path):
            # As it is: a path would lose one of the strokes, and nobody could say what it was.
            pictures.append(Picture(name, name))
        elif os.path.isdir(path):  # noqa: PTH112  (Path's raises for a name that no folder can have)
            inside = [Picture(str(file), file) for file in image_files(path, documents=True)]
            if not inside:
                raise ConfigError(f"there are no pictures in the folder {name}")
            pictures += inside
        else:
            pictures.append(Picture(str(path), path))
    return pictures


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise ConfigError("- means standard input, which is closed")
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ImageError(
            f"standard input is longer than {_MOST_BYTES >> 20} megabytes; save the picture and name its file"
        )
    return data


def noting(
    results: Iterable[tuple[Picture, _T | ImageError]], failures: list[ImageError], progress: Progress
) -> Iterator[tuple[Picture, _T | ImageError]]:
    """The same, counted, with what could not be read said at once and kept for the end."""
    for picture, result in results:
        if isinstance(result, ImageError):
            failures.append(result)
            # What cannot be opened says its name itself.
            named = str(result) if str(result).startswith(picture.name) else f"{picture.name}: {result}"
            progress.write(printable(f"mnistkit: {named}"))
        yield picture, result
        progress.update()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as they come; the file has its name only when it is complete."""
    with replacing(path) as file:
        # Not closed with the file, which is still to be synced.
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        lines = csv.writer(text)
        lines.writerow(columns)
        lines.writerows(rows)
        text.detach()


def new_files(folder: Path, pictures: Sequence[Picture]) -> list[Path]:
    """A file for the figure of each picture, named after it; pictures of one name are numbered.

    Raises:
        ConfigError: if one is there already: it may be anything, even one of the pictures.
    """
    folder = user_path(folder)
    names: list[str] = []
    taken: set[str] = set()
    numbers: collections.Counter[str] = collections.Counter()
    for picture in pictures:
        stem = "standard-input" if picture.file == "-" else Path(picture.file).stem
        while len(os.fsencode(stem)) > _MOST_BYTES_OF_NAME:
            stem = stem[:-1]
        if picture.page is not None:
            stem = f"{stem}-{picture.page}"
        name = f"{stem}.png"
        # Without capitals, which some file systems do not tell apart.
        while name.casefold() in taken:
            numbers[stem] += 1
            name = f"{stem}-{numbers[stem] + 1}.png"
        taken.add(name.casefold())
        names.append(name)
    paths = [folder / name for name in names]
    if earlier := next((path for path in paths if os.path.lexists(path)), None):
        raise ConfigError(f"{earlier} is there already; give another folder than {folder}")
    return paths


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its name."""
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format=path.suffix[1:].lower() or "png", dpi=120)
    except ValueError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error
    write_atomically(path, drawn.getvalue())
