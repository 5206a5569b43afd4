"""The command line: reads arguments, calls the public API, prints.

Reports go to standard output, progress and errors to standard error. Nothing heavy is imported before the arguments
are understood, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit import __version__
from mnistkit.errors import ConfigError, ImageError, MnistkitError, UnknownModelError, unknown_name

if TYPE_CHECKING:
    from mnistkit.metrics import Evaluation

__all__ = ["main"]

_EPOCHS, _BATCH_SIZE, _LR = 15, 64, 0.002


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, that of the error's class (see :mod:`mnistkit.errors`), or 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except MnistkitError as error:
        print(f"mnistkit: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mnistkit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever reads our output has had enough; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mnistkit", description="Train digit classifiers, and read pictures of digits."
    )
    parser.add_argument("--version", action="version", version=f"mnistkit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)

    evaluate = _add(commands, "evaluate", _evaluate, "measure a checkpoint on a data set")
    evaluate.add_argument("checkpoint", type=Path, help="a model or training file")
    evaluate.add_argument("--dataset", help="by default the one that it was trained on; see `mnistkit datasets`")
    evaluate.add_argument("--root", type=Path, help="the folder with the data set's files")
    evaluate.add_argument(
        "--split", choices=["train", "validation", "test"], default="test", help="(default: %(default)s)"
    )
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")

    predict = _add(commands, "predict", _predict, "read pictures of digits")
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures")
    predict.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("runs/lenet5/best.safetensors"),
        help="a model or training file (default: %(default)s, where `mnistkit train` puts it)",
    )
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")

    models = _add(commands, "models", _models, "list the models")
    models.add_argument("pattern", nargs="?", default="*", help="such as 'lenet*'")
    _add(commands, "datasets", _datasets, "list the data sets")
    info = _add(commands, "info", _info, "say what a checkpoint holds")
    info.add_argument("checkpoint", type=Path, help="a model or training file")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(command=command)
    return parser


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "train", _train, "train a model and report its test accuracy")
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
    parser.add_argument("--epochs", type=int, default=_EPOCHS, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=_BATCH_SIZE, help="(default: %(default)s)")
    parser.add_argument("--lr", type=float, default=_LR, help="the highest learning rate (default: %(default)s)")
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


def _train(options: argparse.Namespace) -> None:
    from statistics import mean, stdev

    output = options.output or Path("runs") / options.model
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
        if not options.json:
            print(f"seed {seed}: test {test}\n  {report['checkpoint']}")
    if len(runs) == 1:
        _print_json(options, runs[0])
        return
    _print_json(
        options, {"test": {"accuracy": mean(accuracies), "std": stdev(accuracies), "values": accuracies}, "runs": runs}
    )
    if not options.json:
        print(
            f"test accuracy, mean of {len(runs)} seeds: {mean(accuracies):.3%}, standard deviation {stdev(accuracies):.3%}"
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
        "test": _evaluation(test),
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


def _evaluate(options: argparse.Namespace) -> None:
    from mnistkit.checkpoint import read_checkpoint
    from mnistkit.data import load_dataset
    from mnistkit.training import Trainer

    content = read_checkpoint(options.checkpoint)
    name = options.dataset or content.data.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{options.checkpoint} does not say what it was trained on; give --dataset")
    dataset = getattr(load_dataset(name, root=options.root), options.split)
    if content.preprocessing is not None:
        dataset = dataset.prepared_as(content.preprocessing)
    result = Trainer(content.build(), device=options.device, progress=False).evaluate(dataset)
    _print_json(options, {"dataset": name, "split": options.split, **_evaluation(result)})
    if not options.json:
        print(f"{name} {options.split}: {result}")


def _evaluation(result: Evaluation) -> dict[str, object]:
    return {
        "loss": result.loss,
        "accuracy": result.accuracy,
        "interval": list(result.interval),
        "correct": result.correct,
        "count": result.count,
    }


def _predict(options: argparse.Namespace) -> None:
    from mnistkit.predictor import Predictor

    predictor = Predictor.from_checkpoint(options.checkpoint, device=options.device)
    rows: list[dict[str, object]] = []
    failures: list[ImageError] = []
    for file in options.files:
        try:
            prediction = predictor.predict(file)
        except ImageError as error:
            # One bad picture does not hide what the others show; the exit code still tells.
            failures.append(error)
            rows.append({"file": str(file), "error": str(error)})
            print(f"mnistkit: {file}: {error}", file=sys.stderr)
            continue
        rows.append(
            {
                "file": str(file),
                "label": prediction.label,
                "name": prediction.name,
                "confidence": prediction.confidence,
                "probabilities": list(prediction.probabilities),
            }
        )
        if not options.json:
            print(f"{file}: {prediction}")
    _print_json(options, {"predictions": rows})
    if failures:
        raise type(failures[0])(f"{len(failures)} of {len(options.files)} pictures could not be read")


def _models(options: argparse.Namespace) -> None:
    from mnistkit.models import create_model, list_models, model_factory, summary

    rows: list[dict[str, object]] = []
    for name in list_models(options.pattern):
        figures = summary(create_model(name))
        first_line = (model_factory(name).__doc__ or "").strip().partition("\n")[0]
        rows.append({"name": name, "parameters": figures.parameters, "macs": figures.macs, "description": first_line})
    if not rows:
        raise UnknownModelError(unknown_name("model", options.pattern, list_models()))
    _print_json(options, {"models": rows})
    if not options.json:
        print(f"{'name':<20}{'parameters':>12}{'MACs':>12}")
        for row in rows:
            print(f"{row['name']:<20}{row['parameters']:>12,}{row['macs']:>12,}\n    {row['description']}")


def _datasets(options: argparse.Namespace) -> None:
    from mnistkit.data import cache_dir, dataset_info, list_datasets

    infos = [dataset_info(name) for name in list_datasets()]
    rows: list[object] = [
        {
            "name": info.name,
            "title": info.title,
            "classes": list(info.classes),
            "licence": info.licence,
            "citation": info.citation,
            "bundled": info.torchvision is None,
        }
        for info in infos
    ]
    _print_json(options, {"datasets": rows, "folder": str(cache_dir())})
    if not options.json:
        for info in infos:
            where = "in this package" if info.torchvision is None else "downloaded when first used"
            print(
                f"{info.name:<18}{info.title}, {len(info.classes)} classes, {where}\n{'':<18}{info.licence}; {info.citation}"
            )
        print(f"\nDownloads are kept in {cache_dir()}; MNISTKIT_HOME sets another folder.")


def _info(options: argparse.Namespace) -> None:
    from mnistkit.checkpoint import read_checkpoint

    content = read_checkpoint(options.checkpoint)
    training = content.training or {}
    report: dict[str, object] = {
        "file": str(options.checkpoint),
        "kind": content.kind,
        "model": None
        if content.spec is None
        else {"name": content.spec.name, "arguments": dict(content.spec.arguments)},
        "parameters": sum(weight.numel() for weight in content.weights.values()),
        "preprocessing": None if content.preprocessing is None else content.preprocessing.to_json(),
        "classes": list(content.classes),
        "metrics": content.metrics,
        "data": content.data,
        "versions": content.versions,
        "progress": {name: training[name] for name in ("epoch", "step", "seconds") if name in training},
    }
    _print_json(options, report)
    if not options.json:
        for name, value in report.items():
            print(f"{name + ':':<15}{_plain(value)}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_plain, value)) or "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value)


def _print_json(options: argparse.Namespace, report: dict[str, object]) -> None:
    if options.json:
        print(json.dumps(report))
