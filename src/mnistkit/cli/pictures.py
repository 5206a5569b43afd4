"""The commands that look at pictures: ``predict`` and ``read``."""

from __future__ import annotations

import argparse
import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit._core.files import replacing, write_atomically
from mnistkit._core.text import csv_cell
from mnistkit.cli.output import print_json, print_text
from mnistkit.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mnistkit._core.progress import Progress
    from mnistkit.reading import Prediction, Predictor

__all__ = ["add_predict_arguments", "add_read_arguments", "predict", "read"]

_COLUMNS = ("file", "label", "name", "confidence", "rejected", "error")


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``predict``."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures, or folders of them")
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
    parser.add_argument("file", type=Path, metavar="FILE", help="a picture of several digits")
    _add_model_arguments(parser)
    parser.add_argument("--figure", type=Path, metavar="FILE", help="save the picture with a box round every digit")


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, help="a model or training file (default: the weights that ship)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")


def predict(options: argparse.Namespace) -> None:
    """Read pictures of one digit each."""
    from mnistkit._core.progress import Progress

    predictor = _predictor(options)
    files = _files(options.files)
    results = zip(files, predictor.stream(map(os.fspath, files), coverage=options.coverage), strict=True)
    failures: list[ImageError] = []
    # Without a file the answers themselves show how far it is.
    with Progress(len(files), "pictures", shown=options.csv is not None) as progress:
        noted = _noting(results, failures, progress)
        if options.csv is not None:
            _write_csv(options.csv, noted)
            rows: list[dict[str, object]] = []
        else:
            rows = [_report(options, predictor, file, result) for file, result in noted]
    counts: dict[str, object] = {"count": len(files), "failed": len(failures)}
    print_json(options, counts | ({"predictions": rows} if options.csv is None else {"csv": str(options.csv)}))
    if failures:
        # One bad picture does not hide what the others show; the exit code still tells.
        raise type(failures[0])(f"{len(failures)} of {len(files)} pictures could not be read")


def read(options: argparse.Namespace) -> None:
    """Read all digits in a picture."""
    reading = _predictor(options).read(options.file)
    if options.figure is not None:
        _save(reading.figure(), options.figure)
    print_json(options, {"file": str(options.file), **reading.to_json()})
    print_text(options, str(reading))


def _predictor(options: argparse.Namespace) -> Predictor:
    from mnistkit.reading import Predictor

    if options.checkpoint is None:
        return Predictor(device=options.device)
    return Predictor.from_checkpoint(options.checkpoint, device=options.device)


def _files(paths: Iterable[Path]) -> list[Path]:
    from mnistkit.imaging import image_files

    files: list[Path] = []
    for path in paths:
        inside = image_files(path) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"there are no pictures in the folder {path}")
        files += inside
    return files


def _noting(
    results: Iterable[tuple[Path, Prediction | ImageError]], failures: list[ImageError], progress: Progress
) -> Iterator[tuple[Path, Prediction | ImageError]]:
    """The same, counted, with what could not be read said at once and kept for the end."""
    for file, result in results:
        if isinstance(result, ImageError):
            failures.append(result)
            progress.write(f"mnistkit: {file}: {result}")
        yield file, result
        progress.update()


def _report(
    options: argparse.Namespace, predictor: Predictor, file: Path, result: Prediction | ImageError
) -> dict[str, object]:
    if isinstance(result, ImageError):
        return {"file": str(file), "error": str(result)}
    if options.explain is not None:
        _save(predictor.explain(file).figure(), options.explain / f"{file.stem}.png")
    print_text(options, f"{file}: {result}")
    return {"file": str(file), **result.to_json()}


def _write_csv(path: Path, results: Iterable[tuple[Path, Prediction | ImageError]]) -> None:
    """A line for each picture as it is read; the file has its name only when it is complete."""
    with replacing(path) as file, io.TextIOWrapper(file, "utf-8", newline="", write_through=True) as text:
        lines = csv.writer(text)
        lines.writerow(_COLUMNS)
        for name, result in results:
            if isinstance(result, ImageError):
                lines.writerow([name, "", "", "", "", csv_cell(result)])
            else:
                confidence = f"{result.confidence:.6f}"
                lines.writerow([name, result.label, result.name, confidence, result.rejected or "", ""])


def _save(figure: Figure, path: Path) -> None:
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format=path.suffix[1:].lower() or "png", dpi=120)
    except ValueError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error
    write_atomically(path, drawn.getvalue())
