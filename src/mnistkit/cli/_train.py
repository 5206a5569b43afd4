"""``mnistkit train``."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit.cli._output import evaluation_row, print_json, print_text
from mnistkit.errors import ConfigError

if TYPE_CHECKING:
    from mnistkit.metrics import Evaluation

__all__ = ["add_arguments", "train"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--model", default="lenet5", help="see `mnistkit models` (default: %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the model, such as activation=tanh",
    )
    parser.add_argument("--dataset", default="mnist", help="see `mnistkit datasets` (default: %(default)s)")
    parser.add_argument("--root", help="the folder with the data set's files")
    parser.add_argument("--validation", type=int, default=5000, help="training images set aside (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="(default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.004, help="the highest learning rate (default: %(default)s)")
    parser.add_argument("--optimizer", default="adam", help="(default: %(default)s)")
    parser.add_argument(
        "--schedule", choices=["one-cycle", "cosine", "constant"], default="one-cycle", help="(default: %(default)s)"
    )
    parser.add_argument("--no-augment", action="store_true", help="train on the images as they are")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32", help="(default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="several train one model each (default: 0)")
    parser.add_argument(
        "--output", type=Path, help="the run's folder (default: runs/MODEL); with several seeds their parent"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in the output folder, given the same options"
    )


def train(options: argparse.Namespace) -> None:
    """Train one model for each seed, and report their test accuracy."""
    from statistics import mean, stdev

    output = options.output or Path("runs") / options.model
    if len(set(options.seed)) < len(options.seed):
        raise ConfigError(f"--seed {' '.join(map(str, options.seed))}: give each seed once")
    folders = [output if len(options.seed) == 1 else output / f"seed-{seed}" for seed in options.seed]
    for folder in folders:
        if (folder / "last.safetensors").exists() and not options.resume:
            raise ConfigError(f"{folder} holds a run already; add --resume to go on with it, or give another --output")
    runs: list[dict[str, object]] = []
    accuracies: list[float] = []
    for seed, folder in zip(options.seed, folders, strict=True):
        report, test = _train_one(options, seed, folder)
        runs.append(report)
        accuracies.append(test.accuracy)
        print_text(options, f"seed {seed}: test {test}\n  {report['checkpoint']}")
    if len(runs) == 1:
        print_json(options, runs[0])
        return
    print_json(
        options, {"test": {"accuracy": mean(accuracies), "std": stdev(accuracies), "values": accuracies}, "runs": runs}
    )
    print_text(
        options,
        f"test accuracy, mean of {len(runs)} seeds: {mean(accuracies):.3%}, standard deviation {stdev(accuracies):.3%}",
    )


def _train_one(options: argparse.Namespace, seed: int, folder: Path) -> tuple[dict[str, object], Evaluation]:
    from mnistkit.callbacks import Checkpoint, CSVLogger
    from mnistkit.checkpoint import load_model
    from mnistkit.data import Augment, load_dataset
    from mnistkit.models import create_model
    from mnistkit.seeding import seed_everything
    from mnistkit.training import Constant, Cosine, OneCycle, Trainer

    data = load_dataset(options.dataset, root=options.root, validation=options.validation)
    preprocessing = data.train.preprocessing
    shape: dict[str, object] = {
        "classes": len(data.train.classes),
        "channels": preprocessing.channels,
        "image_size": preprocessing.size[0],
    }
    seed_everything(seed)
    model = create_model(options.model, **shape | _model_arguments(options.set))
    checkpoint = Checkpoint(folder, monitor="val_accuracy" if options.validation else "train_loss")
    schedule = {"one-cycle": OneCycle, "cosine": Cosine, "constant": Constant}[options.schedule](options.lr)
    trainer = Trainer(
        model,
        optimizer=options.optimizer,
        lr=schedule,
        batch_size=options.batch_size,
        augment=None if options.no_augment else Augment(rotate=10, scale=0.1, shear=10, shift=2),
        callbacks=[checkpoint, CSVLogger(folder / "history.csv")],
        precision=options.precision,
        device=options.device,
        seed=seed,
    )
    resume = checkpoint.last_path if options.resume and checkpoint.last_path.exists() else None
    try:
        history = trainer.fit(
            data.train, data.validation if options.validation else None, epochs=options.epochs, resume=resume
        )
    except KeyboardInterrupt:
        if checkpoint.last_path.exists():
            print(f"saved {checkpoint.last_path}; the same command with --resume goes on from there", file=sys.stderr)
        raise
    best = Trainer(load_model(checkpoint.best_path), device=options.device, precision=options.precision, progress=False)
    test = best.evaluate(data.test)
    report = {
        "model": options.model,
        "dataset": options.dataset,
        "seed": seed,
        "epochs": len(history),
        "seconds": round(trainer.seconds, 1),
        "checkpoint": str(checkpoint.best_path),
        "history": history.rows,
        "test": evaluation_row(test),
    }
    return report, test


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
        arguments[name] = value
    return arguments
