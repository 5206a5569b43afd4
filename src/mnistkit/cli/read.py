"""The command ``read``: all digits in pictures and documents."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit._core.text import csv_cell, printable
from mnistkit.cli.output import print_json, print_text
from mnistkit.cli.pictures import (
    Picture,
    add_coverage,
    add_files,
    add_model_arguments,
    add_theme,
    new_files,
    noting,
    pictures_of,
    predictor_of,
    raise_any,
    save_figure,
    write_csv,
)
from mnistkit.errors import ImageError

if TYPE_CHECKING:
    from mnistkit._core.style import Theme
    from mnistkit.reading import Predictor, Reading

__all__ = ["add_read_arguments", "read"]

_PLACE = ("file", "page")
_GROUP = ("line", "group", "text", "number", "confidence", "left", "top", "right", "bottom")


def add_read_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``read``."""
    add_files(parser, "pictures, PDFs, TIFFs of several pages, folders of them, or - for one on standard input")
    add_model_arguments(parser)
    add_coverage(parser, "digits")
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write a line for each number or other group of digits to this file instead",
    )
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="PATH",
        help="save the picture with a box round every digit: a file, or of several pages a folder",
    )
    add_theme(parser)


def read(options: argparse.Namespace) -> None:
    """Read all digits in pictures and documents."""
    from mnistkit._core.progress import Progress

    pages = [page for picture in pictures_of(options.files) for page in _pages(picture)]
    several = len(pages) > 1
    figures: list[Path] = []
    if options.figure is not None:
        figures = new_files(options.figure, pages) if several else [options.figure]
    predictor = predictor_of(options)
    failures: list[ImageError] = []
    # Where the answers are printed, they show how far it is.
    with Progress(len(pages), "pages", shown=several and (options.json or options.csv is not None)) as progress:
        results = ((page, _read_page(predictor, page, options.coverage, alone=not several)) for page in pages)
        noted = noting(results, failures, progress)
        if figures:
            noted = _drawing(noted, figures, options.theme)
        if options.csv is not None:
            write_csv(
                options.csv,
                (*_PLACE, *_GROUP, "error"),
                itertools.chain.from_iterable(itertools.starmap(_cells, noted)),
            )
            rows: list[dict[str, object]] = []
        else:
            rows = [_report(options, page, result, named=several) for page, result in noted]
    counts: dict[str, object] = {"count": len(pages), "failed": len(failures)}
    if options.csv is not None:
        print_json(options, counts | {"csv": str(options.csv)})
    else:
        print_json(options, counts | {"readings": rows} if several else rows[0])
    raise_any(failures, len(pages))


def _pages(picture: Picture) -> list[Picture]:
    """The pages of a document; of another picture, or of what cannot be opened, itself."""
    from mnistkit.imaging import load_pages

    try:
        count = len(load_pages(picture.source))
    except ImageError:  # which is raised again when it is read
        count = 1
    return [picture] if count == 1 else [picture._replace(page=number) for number in range(1, count + 1)]


def _read_page(predictor: Predictor, page: Picture, coverage: float | None, *, alone: bool) -> Reading | ImageError:
    """What is read, or why nothing is; of a page that is alone, that is raised."""
    from mnistkit.imaging import load_image

    try:
        image = page.source if page.page is None else load_image(page.source, channels=3, page=page.page - 1)
        return predictor.read(image, coverage=coverage)
    except ImageError as error:
        if alone:
            raise
        return error


def _drawing(
    results: Iterable[tuple[Picture, Reading | ImageError]], paths: Sequence[Path], theme: Theme
) -> Iterator[tuple[Picture, Reading | ImageError]]:
    """The same, with a figure saved of each that could be read."""
    for path, (page, result) in zip(paths, results, strict=True):
        if not isinstance(result, ImageError):
            save_figure(result.figure(theme=theme), path)
        yield page, result


def _report(
    options: argparse.Namespace, page: Picture, result: Reading | ImageError, *, named: bool
) -> dict[str, object]:
    place: dict[str, object] = {"file": page.file, "page": page.page or 1}
    if isinstance(result, ImageError):
        return place | {"error": str(result)}
    for line in result.lines or ("",):
        print_text(options, f"{printable(page.name)}: {line}" if named else line)
    return place | result.to_json()


def _cells(page: Picture, result: Reading | ImageError) -> Iterator[Sequence[object]]:
    """A row for each group; of a page without any digit, and of what could not be read, one."""
    place = csv_cell(page.file), page.page or 1
    if isinstance(result, ImageError):
        yield *place, *[""] * len(_GROUP), csv_cell(result)
        return
    if not result.characters:
        yield *place, *[""] * len(_GROUP), ""
    for (line, group), characters in itertools.groupby(result.characters, lambda one: (one.line, one.group)):
        inside = tuple(characters)
        numbers = replace(result, characters=inside).numbers
        lefts, tops, rights, bottoms = zip(*(one.box for one in inside), strict=True)
        edges = min(lefts), min(tops), max(rights), max(bottoms)
        yield (
            *place,
            line,
            group,
            csv_cell("".join(one.text for one in inside)),
            # A minus sign before a number is no formula.
            numbers[0] if len(numbers) == 1 else "",
            f"{min(one.confidence for one in inside):.6f}",
            *(f"{edge:.1f}" for edge in edges),
            "",
        )
