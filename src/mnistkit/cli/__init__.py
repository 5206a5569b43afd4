"""The command line: reads arguments, calls the public API, prints.

Reports go to standard output, progress and errors to standard error. Nothing heavy is imported before the arguments
are understood, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from mnistkit import __version__
from mnistkit._core.signals import interrupt_once
from mnistkit._core.text import printable
from mnistkit.cli import export, predict, read, reports, train
from mnistkit.cli.output import complain, flush, silence
from mnistkit.errors import MnistkitError

__all__ = ["main", "run"]


def run() -> NoReturn:
    """The whole process of `mnistkit`: :func:`main`, and an end without a traceback, however often Ctrl-C is pressed."""
    try:
        # A shell's background ignores Ctrl-C, and so do we there.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt_once)
        code = main()
        if signal.getsignal(signal.SIGINT) is interrupt_once:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:  # another one, while main told of the first
        code = 130
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, that of the error's class (see :mod:`mnistkit.errors`), or 130 after Ctrl-C.
    """
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
        flush()
    except MnistkitError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        # Whoever reads our output has had enough; nothing more can be said to them.
        return 1
    except OSError as error:
        # Of the system, which names the file: no bug of ours.
        complain(str(error))
        return 1
    finally:
        silence(sys.stdout)
        silence(sys.stderr)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mnistkit", description="Train digit classifiers, and read pictures of digits.")
    parser.add_argument("--version", action="version", version=f"mnistkit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    train.add_arguments(_add(commands, "train", train.train, "train a model and report its test accuracy"))

    evaluate = _add(commands, "evaluate", reports.evaluate, "measure a checkpoint on a data set")
    evaluate.add_argument("checkpoint", type=Path, help="a model or training file")
    evaluate.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a page for a browser (.html), or everything for programs (.json)",
    )
    _add_data_arguments(evaluate)

    compare = _add(commands, "compare", reports.compare, "compare two checkpoints image by image, by McNemar's test")
    compare.add_argument(
        "first", type=Path, help="a model or training file, or a report of `evaluate --report FILE.json`"
    )
    compare.add_argument("second", type=Path, help="another")
    _add_data_arguments(compare)

    predict.add_predict_arguments(_add(commands, "predict", predict.predict, "read pictures of one digit each"))
    read.add_read_arguments(_add(commands, "read", read.read, "read all digits in pictures and documents"))
    export.add_draw_arguments(_add(commands, "draw", export.draw, "open a page in the browser to draw digits on"))
    export.add_export_arguments(_add(commands, "export", export.export, "write a checkpoint for another program"))

    models = _add(commands, "models", reports.models, "list the models")
    models.add_argument("pattern", nargs="?", default="*", help="such as 'lenet*'")
    models.add_argument(
        "--zoo", action="store_true", help="the trained networks that ship: how good, how large, how fast"
    )
    _add(commands, "datasets", reports.datasets, "list the data sets")
    _add(commands, "recipes", reports.recipes, "list the recipes of `mnistkit train`")
    info = _add(commands, "info", reports.info, "say what a checkpoint holds")
    info.add_argument("checkpoint", type=Path, help="a model or training file")
    return parser


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """On what to measure, and where."""
    parser.add_argument(
        "--dataset",
        help="see `mnistkit datasets`, or a folder with a folder of pictures for each class (default: what it was trained on)",
    )
    parser.add_argument("--root", help="the folder with the data set's files")
    parser.add_argument(
        "--split", choices=["train", "validation", "test"], default="test", help="(default: %(default)s)"
    )
    parser.add_argument("--validation", type=int, help="training images set aside, as in training (default: 5000)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")


def _add(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    command: Callable[[argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(command=command)
    return parser
