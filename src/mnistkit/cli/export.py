"""The commands that write a classifier for other programs: ``export`` and ``draw``."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mnistkit.cli.output import print_json, print_text
from mnistkit.types import ExportFormat

if TYPE_CHECKING:
    from mnistkit.classifier import Classifier

__all__ = ["add_draw_arguments", "add_export_arguments", "draw", "export"]

_CHECKPOINT = "a model or training file (default: the weights that ship)"


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``export``."""
    parser.add_argument("checkpoint", type=Path, nargs="?", help=_CHECKPOINT)
    parser.add_argument("--to", choices=get_args(ExportFormat), required=True, help="what to write")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where (default: beside you, named as the checkpoint)"
    )


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``draw``."""
    parser.add_argument("checkpoint", type=Path, nargs="?", help=_CHECKPOINT)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the page to this file, and open nothing")


def export(options: argparse.Namespace) -> None:
    """Write a checkpoint in another format."""
    from mnistkit.export import ENDINGS

    name = "handwriting" if options.checkpoint is None else options.checkpoint.stem
    path = options.output or Path(name + ENDINGS[options.to])
    _classifier(options).export(path, options.to)
    print_json(options, {"file": str(path), "format": options.to, "bytes": path.stat().st_size})
    print_text(options, f"{path}: {path.stat().st_size:,} bytes")


def draw(options: argparse.Namespace) -> None:
    """Write the page to draw on, and open it in the browser."""
    path = options.output or Path(tempfile.mkdtemp(prefix="mnistkit-"), "draw.html")
    _classifier(options).export(path, "html")
    opened = options.output is None and webbrowser.open(path.resolve().as_uri())
    print_json(options, {"file": str(path), "opened": opened})
    hint = "" if opened else "; open it in a browser"
    print_text(options, f"{path}{hint}")


def _classifier(options: argparse.Namespace) -> Classifier:
    from mnistkit.classifier import Classifier

    if options.checkpoint is None:
        return Classifier.pretrained(device="cpu")
    return Classifier.load(options.checkpoint, device="cpu")
