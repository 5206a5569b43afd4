"""The command ``predict``: pictures of one digit each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
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
    from mnistkit.reading import Prediction, Predictor

__all__ = ["add_predict_arguments", "predict"]

_COLUMNS = ("file", "label", "name", "confidence", "rejected", "error")


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``predict``."""
    add_files(parser, "pictures, folders of them, or - for one on standard input")
    add_model_arguments(parser)
    add_coverage(parser, "pictures")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each picture to this file instead")
    parser.add_argument(
        "--explain", type=Path, metavar="FOLDER", help="save for each picture how it became what the network saw"
    )
    add_theme(parser)


def predict(options: argparse.Namespace) -> None:
    """Read pictures of one digit each."""
    from mnistkit._core.progress import Progress

    pictures = pictures_of(options.files)
    explanations = None if options.explain is None else new_files(options.explain, pictures)
    predictor = predictor_of(options)
    results = predictor.stream((picture.source for picture in pictures), coverage=options.coverage)
    failures: list[ImageError] = []
    # Without a file the answers themselves show how far it is.
    with Progress(len(pictures), "pictures", shown=options.csv is not None) as progress:
        noted = noting(zip(pictures, results, strict=True), failures, progress)
        if explanations is not None:
            noted = _explaining(noted, predictor, explanations, options.theme)
        if options.csv is not None:
            write_csv(options.csv, _COLUMNS, (_cells(picture, result) for picture, result in noted))
            rows: list[dict[str, object]] = []
        else:
            rows = [_report(options, picture, result) for picture, result in noted]
    counts: dict[str, object] = {"count": len(pictures), "failed": len(failures)}
    print_json(options, counts | ({"predictions": rows} if options.csv is None else {"csv": str(options.csv)}))
    raise_any(failures, len(pictures))


def _explaining(
    results: Iterable[tuple[Picture, Prediction | ImageError]],
    predictor: Predictor,
    paths: Sequence[Path],
    theme: Theme,
) -> Iterator[tuple[Picture, Prediction | ImageError]]:
    """The same, with a figure saved of each that could be read."""
    for path, (picture, result) in zip(paths, results, strict=True):
        if not isinstance(result, ImageError):
            save_figure(predictor.explain(picture.source).figure(theme=theme), path)
        yield picture, result


def _report(options: argparse.Namespace, picture: Picture, result: Prediction | ImageError) -> dict[str, object]:
    if isinstance(result, ImageError):
        return {"file": picture.name, "error": str(result)}
    print_text(options, f"{printable(picture.name)}: {result}")
    return {"file": picture.name, **result.to_json()}


def _cells(picture: Picture, result: Prediction | ImageError) -> Sequence[object]:
    name = csv_cell(picture.name)
    if isinstance(result, ImageError):
        return name, "", "", "", "", csv_cell(result)
    return name, result.label, csv_cell(result.name), f"{result.confidence:.6f}", result.rejected or "", ""
