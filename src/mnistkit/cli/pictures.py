"""The commands that look at pictures: ``predict`` and ``read``."""

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
from mnistkit._core.text import csv_cell, printable
from mnistkit.cli.output import print_json, print_text
from mnistkit.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mnistkit._core.progress import Progress
    from mnistkit.reading import Prediction, Predictor, Reading

__all__ = ["add_predict_arguments", "add_read_arguments", "predict", "read"]

_T = TypeVar("_T")

_COLUMNS = ("file", "label", "name", "confidence", "rejected", "error")
# Standard input may have no end.
_MOST_BYTES = 2**28
# Of the 255 that a name may have, less the number and the ending.
_MOST_BYTES_OF_NAME = 240


class _Picture(NamedTuple):
    name: str
    source: Path | bytes


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``predict``."""
    _add_files(parser)
    _add_model_arguments(parser)
    parser.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help="answer only what is as certain as this share of good pictures is, such as 0.98",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each picture to this file instead")
    parser.add_argument(
        "--explain", type=Path, metavar="FOLDER", help="save for each picture how it became what the network saw"
    )


def add_read_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``read``."""
    _add_files(parser)
    _add_model_arguments(parser)
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="PATH",
        help="save the picture with a box round every digit: a file, or of several pictures a folder",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="pictures, folders of them, or - for one on standard input"
    )


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, help="a model or training file (default: the weights that ship)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")


def predict(options: argparse.Namespace) -> None:
    """Read pictures of one digit each."""
    from mnistkit._core.progress import Progress

    pictures = _pictures(options.files)
    explanations = None if options.explain is None else _new_files(options.explain, pictures)
    predictor = _predictor(options)
    results = predictor.stream((picture.source for picture in pictures), coverage=options.coverage)
    failures: list[ImageError] = []
    # Without a file the answers themselves show how far it is.
    with Progress(len(pictures), "pictures", shown=options.csv is not None) as progress:
        noted = _noting(zip(pictures, results, strict=True), failures, progress)
        if explanations is not None:
            noted = _explaining(noted, predictor, explanations)
        if options.csv is not None:
            _write_csv(options.csv, noted)
            rows: list[dict[str, object]] = []
        else:
            rows = [_report(options, picture, result) for picture, result in noted]
    counts: dict[str, object] = {"count": len(pictures), "failed": len(failures)}
    print_json(options, counts | ({"predictions": rows} if options.csv is None else {"csv": str(options.csv)}))
    _raise_any(failures, len(pictures))


def read(options: argparse.Namespace) -> None:
    """Read all digits in pictures."""
    from mnistkit._core.progress import Progress

    pictures = _pictures(options.files)
    several = len(pictures) > 1
    figures: list[Path] = []
    if options.figure is not None:
        figures = _new_files(options.figure, pictures) if several else [options.figure]
    predictor = _predictor(options)
    if not several:
        reading = predictor.read(pictures[0].source)
        for path in figures:
            _save(reading.figure(), path)
        print_json(options, {"file": pictures[0].name, **reading.to_json()})
        print_text(options, str(reading))
        return
    rows: list[dict[str, object]] = []
    failures: list[ImageError] = []
    with Progress(len(pictures), "pictures", shown=False) as progress:
        results = zip(pictures, (_read_one(predictor, picture) for picture in pictures), strict=True)
        for number, (picture, result) in enumerate(_noting(results, failures, progress)):
            if isinstance(result, ImageError):
                rows.append({"file": picture.name, "error": str(result)})
                continue
            if figures:
                _save(result.figure(), figures[number])
            rows.append({"file": picture.name, **result.to_json()})
            for line in result.lines or ("",):
                print_text(options, f"{printable(picture.name)}: {line}")
    print_json(options, {"count": len(pictures), "failed": len(failures), "readings": rows})
    _raise_any(failures, len(pictures))


def _read_one(predictor: Predictor, picture: _Picture) -> Reading | ImageError:
    try:
        return predictor.read(picture.source)
    except ImageError as error:
        return error


def _raise_any(failures: Sequence[ImageError], count: int) -> None:
    if failures:
        # One bad picture does not hide what the others show; the exit code still tells.
        raise type(failures[0])(f"{len(failures)} of {count} pictures could not be read")


def _predictor(options: argparse.Namespace) -> Predictor:
    from mnistkit.reading import Predictor

    if options.checkpoint is None:
        return Predictor(device=options.device)
    return Predictor.from_checkpoint(options.checkpoint, device=options.device)


def _pictures(names: Sequence[str]) -> list[_Picture]:
    from mnistkit.imaging import image_files

    if names.count("-") > 1:
        raise ConfigError("- is given twice, but standard input can be read only once")
    pictures: list[_Picture] = []
    for name in names:
        path = user_path(name)
        if name == "-":
            pictures.append(_Picture(name, _standard_input()))
        elif os.path.isdir(path):  # noqa: PTH112  (Path's raises for a name that no folder can have)
            inside = [_Picture(str(file), file) for file in image_files(path)]
            if not inside:
                raise ConfigError(f"there are no pictures in the folder {name}")
            pictures += inside
        else:
            pictures.append(_Picture(str(path), path))
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


def _noting(
    results: Iterable[tuple[_Picture, _T | ImageError]], failures: list[ImageError], progress: Progress
) -> Iterator[tuple[_Picture, _T | ImageError]]:
    """The same, counted, with what could not be read said at once and kept for the end."""
    for picture, result in results:
        if isinstance(result, ImageError):
            failures.append(result)
            progress.write(printable(f"mnistkit: {picture.name}: {result}"))
        yield picture, result
        progress.update()


def _explaining(
    results: Iterable[tuple[_Picture, Prediction | ImageError]], predictor: Predictor, paths: Sequence[Path]
) -> Iterator[tuple[_Picture, Prediction | ImageError]]:
    """The same, with a figure saved of each that could be read."""
    for path, (picture, result) in zip(paths, results, strict=True):
        if not isinstance(result, ImageError):
            _save(predictor.explain(picture.source).figure(), path)
        yield picture, result


def _report(options: argparse.Namespace, picture: _Picture, result: Prediction | ImageError) -> dict[str, object]:
    if isinstance(result, ImageError):
        return {"file": picture.name, "error": str(result)}
    print_text(options, f"{printable(picture.name)}: {result}")
    return {"file": picture.name, **result.to_json()}


def _write_csv(path: Path, results: Iterable[tuple[_Picture, Prediction | ImageError]]) -> None:
    """A line for each picture as it is read; the file has its name only when it is complete."""
    with replacing(path) as file:
        # Not closed with the file, which is still to be synced.
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        lines = csv.writer(text)
        lines.writerow(_COLUMNS)
        for picture, result in results:
            name = csv_cell(picture.name)
            if isinstance(result, ImageError):
                lines.writerow([name, "", "", "", "", csv_cell(result)])
            else:
                confidence = f"{result.confidence:.6f}"
                lines.writerow([name, result.label, csv_cell(result.name), confidence, result.rejected or "", ""])
        text.detach()


def _new_files(folder: Path, pictures: Sequence[_Picture]) -> list[Path]:
    """A file for the figure of each picture, named after it; pictures of one name are numbered.

    Raises:
        ConfigError: if one is there already: it may be anything, even one of the pictures.
    """
    folder = user_path(folder)
    names: list[str] = []
    taken: set[str] = set()
    numbers: collections.Counter[str] = collections.Counter()
    for picture in pictures:
        stem = "standard-input" if picture.name == "-" else Path(picture.name).stem
        while len(os.fsencode(stem)) > _MOST_BYTES_OF_NAME:
            stem = stem[:-1]
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


def _save(figure: Figure, path: Path) -> None:
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format=path.suffix[1:].lower() or "png", dpi=120)
    except ValueError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error
    write_atomically(path, drawn.getvalue())
