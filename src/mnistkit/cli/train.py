"""``mnistkit train``."""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit._core.files import user_path
from mnistkit._core.text import printable
from mnistkit.cli.output import print_json, print_text
from mnistkit.errors import ConfigError

if TYPE_CHECKING:
    from mnistkit.data import DigitDataset
    from mnistkit.metrics import Evaluation
    from mnistkit.training import Callback, Trainer

__all__ = ["add_arguments", "train"]

# What --fast decides itself.
_DEFAULTS = {
    "model": "lenet5",
    "set": [],
    "epochs": 12,
    "batch_size": 128,
    "lr": 0.004,
    "optimizer": "adam",
    "schedule": "one-cycle",
    "no_augment": False,
    "precision": "fp32",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.set_defaults(**_DEFAULTS)
    parser.add_argument(
        "--fast",
        nargs="?",
        const="99.0",
        choices=["99.0", "99.4", "99.6"],
        metavar="PERCENT",
        help="the quickest known way to this accuracy on MNIST: 99.0 (the default), 99.4 or 99.6; it decides the model and "
        "how to train it",
    )
    parser.add_argument("--model", help="see `mnistkit models` (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="an argument of the model, such as activation=tanh",
    )
    parser.add_argument(
        "--dataset",
        default="mnist",
        help="see `mnistkit datasets`, or a folder with a folder of pictures for each class, or with such folders in train, "
        "validation and test (default: %(default)s)",
    )
    parser.add_argument("--root", help="the folder with the data set's files")
    parser.add_argument(
        "--validation", type=int, help="training images set aside (default: 5000, or a tenth of a folder)"
    )
    parser.add_argument("--epochs", type=float, help="1.5 is one and a half (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, help="(default: %(default)s)")
    parser.add_argument("--lr", type=float, help="the highest learning rate (default: %(default)s)")
    parser.add_argument("--optimizer", help="(default: %(default)s)")
    parser.add_argument("--schedule", choices=["one-cycle", "cosine", "constant"], help="(default: %(default)s)")
    parser.add_argument("--no-augment", action="store_true", help="train on the images as they are")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], help="(default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--seed", type=_seed, nargs="+", default=[0], help="several train one model each (default: 0)")
    parser.add_argument(
        "--output", type=Path, help="the run's folder (default: runs/MODEL); with several seeds their parent"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in the output folder, given the same options"
    )


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a seed: expected a whole number from 0 to 2**63 - 1")
    return seed


def train(options: argparse.Namespace) -> None:
    """Train one model for each seed, and report their test accuracy."""
    from statistics import mean, stdev

    if options.fast:
        _refuse_what_is_decided(options)
    output = user_path(options.output or Path("runs") / _model_name(options))
    if len(set(options.seed)) < len(options.seed):
        raise ConfigError(f"--seed {' '.join(map(str, options.seed))}: give each seed once")
    folders = [output if len(options.seed) == 1 else output / f"seed-{seed}" for seed in options.seed]
    for folder in folders:
        # os.path's says no where Path's raises: for a name that no folder can have, or a folder that is not ours.
        if os.path.exists(folder / "last.safetensors") and not options.resume:  # noqa: PTH110
            raise ConfigError(
                f"{printable(folder)} holds a run already; add --resume to go on with it, or give another --output"
            )
    runs: list[dict[str, object]] = []
    accuracies: list[float] = []
    for seed, folder in zip(options.seed, folders, strict=True):
        report, split, result = _train_one(options, seed, folder)
        runs.append(report)
        accuracies.append(result.accuracy)
        print_text(options, f"seed {seed}: {split} {result}\n  {printable(report['checkpoint'])}")
    if len(runs) == 1:
        print_json(options, runs[0])
        return
    print_json(
        options, {split: {"accuracy": mean(accuracies), "std": stdev(accuracies), "values": accuracies}, "runs": runs}
    )
    print_text(
        options,
        f"{split} accuracy, mean of {len(runs)} seeds: {mean(accuracies):.3%}, standard deviation {stdev(accuracies):.3%}",
    )


def _train_one(options: argparse.Namespace, seed: int, folder: Path) -> tuple[dict[str, object], str, Evaluation]:
    """One run: its report, and what was measured on which split."""
    from mnistkit.callbacks import Checkpoint, CSVLogger
    from mnistkit.checkpoint import load_model
    from mnistkit.cli.data import load_for_training
    from mnistkit.seeding import seed_everything
    from mnistkit.training import FAST, Trainer

    data = load_for_training(options.dataset, options.root, options.validation)
    judge = data.test or data.validation
    if judge is None:
        raise ConfigError(f"{options.dataset} has no folder test, and --validation 0 leaves nothing to measure on")
    seed_everything(seed)
    checkpoint = Checkpoint(folder, monitor="val_accuracy" if data.validation else "train_loss")
    callbacks = [checkpoint, CSVLogger(folder / "history.csv")]
    if options.fast:
        recipe = FAST[options.fast]
        epochs = recipe.epochs
        trainer = recipe.trainer(data.train, callbacks=callbacks, device=options.device, seed=seed)
    else:
        epochs = options.epochs
        trainer = _trainer(options, data.train, callbacks, seed)
    resume = checkpoint.last_path if options.resume and checkpoint.last_path.exists() else None
    try:
        history = trainer.fit(data.train, data.validation, epochs=epochs, resume=resume)
    except (KeyboardInterrupt, SystemExit):
        if checkpoint.last_path.exists():
            print(
                f"saved {printable(checkpoint.last_path)}; the same command with --resume goes on from there",
                file=sys.stderr,
            )
        raise
    precision = trainer.precision.name
    best = Trainer(load_model(checkpoint.best_path), device=options.device, precision=precision, progress=False)
    result = best.evaluate(judge)
    report = {
        "model": _model_name(options),
        "dataset": options.dataset,
        "seed": seed,
        "epochs": len(history),
        "seconds": round(trainer.seconds, 1),
        "checkpoint": str(checkpoint.best_path),
        "history": history.rows,
        judge.split: result.to_json(),
    }
    return report, judge.split, result


def _model_name(options: argparse.Namespace) -> str:
    name: str = "fast_cnn" if options.fast else options.model
    return name


def _trainer(options: argparse.Namespace, data: DigitDataset, callbacks: Sequence[Callback], seed: int) -> Trainer:
    from mnistkit.data import Augment
    from mnistkit.models import create_model
    from mnistkit.training import Constant, Cosine, OneCycle, Trainer

    shape: dict[str, object] = {
        "classes": len(data.classes),
        "channels": data.preprocessing.channels,
        "image_size": data.preprocessing.size[0],
    }
    return Trainer(
        create_model(options.model, **shape | _model_arguments(options.set)),
        optimizer=options.optimizer,
        lr={"one-cycle": OneCycle, "cosine": Cosine, "constant": Constant}[options.schedule](options.lr),
        batch_size=options.batch_size,
        augment=None if options.no_augment else Augment(rotate=10, scale=0.1, shear=10, shift=2),
        callbacks=callbacks,
        precision=options.precision,
        device=options.device,
        seed=seed,
    )


def _refuse_what_is_decided(options: argparse.Namespace) -> None:
    given = [name for name, default in _DEFAULTS.items() if getattr(options, name) != default]
    if given:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(f"--fast decides {words} itself; leave it out, or leave out --fast")


def _model_arguments(settings: Sequence[str]) -> dict[str, object]:
    arguments: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting!r}: expected NAME=VALUE, such as activation=tanh")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text  # A word, such as tanh.
        except (TypeError, MemoryError, RecursionError) as error:
            raise ConfigError(f"--set {printable(setting[:60])}: this is no value: {error}") from error
        arguments[name] = value
    return arguments
