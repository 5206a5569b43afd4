"""``mnistkit train``."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistkit._core.files import user_path
from mnistkit._core.text import printable
from mnistkit.cli.output import print_json, print_text
from mnistkit.errors import ConfigError

if TYPE_CHECKING:
    from mnistkit.recipes import Recipe, Result

__all__ = ["add_arguments", "train"]

_DEFAULT = "lenet5"
# The recipes of networks that look at pages.
_DRAWING = ("finder", "lines")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--recipe", help=f"what to train and how, see `mnistkit recipes` (default: {_DEFAULT}); other options change it"
    )
    chosen.add_argument(
        "--fast",
        nargs="?",
        const="99.0",
        choices=["99.0", "99.4", "99.6"],
        metavar="PERCENT",
        help="the quickest known way to this accuracy on MNIST: 99.0 (the default), 99.4 or 99.6; the same as --recipe "
        "fast-PERCENT",
    )
    parser.add_argument("--model", help="see `mnistkit models`")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the model, such as activation=tanh",
    )
    parser.add_argument(
        "--dataset",
        help="see `mnistkit datasets`, or a folder with a folder of pictures for each class, or with such folders in train, "
        "validation and test",
    )
    parser.add_argument("--root", help="the folder with the data set's files")
    parser.add_argument("--validation", type=int, help="training images set aside; by default a tenth of a folder")
    parser.add_argument("--epochs", type=float, help="1.5 is one and a half")
    parser.add_argument("--batch-size", type=int, help="images in a batch")
    parser.add_argument("--lr", type=float, help="the highest learning rate")
    parser.add_argument("--optimizer", help="such as adam or sgd")
    parser.add_argument("--schedule", choices=["one-cycle", "cosine", "constant"], help="of the learning rate")
    parser.add_argument("--no-augment", action="store_true", help="train on the images as they are")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16", "fp16"], help="of the arithmetic")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--seed", type=_seed, nargs="+", default=[0], help="several train one model each (default: 0)")
    parser.add_argument(
        "--output",
        type=Path,
        help="the run's folder (default: runs/RECIPE, or runs/MODEL); with several seeds their parent",
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
    from mnistkit.evaluation import Repetition

    if options.recipe in _DRAWING:
        _train_drawing(options)
        return
    recipe = _recipe(options)
    output = user_path(options.output or Path("runs") / _run_name(options))
    if len(set(options.seed)) < len(options.seed):
        raise ConfigError(f"--seed {' '.join(map(str, options.seed))}: give each seed once")
    folders = [output if len(options.seed) == 1 else output / f"seed-{seed}" for seed in options.seed]
    for folder in folders:
        # os.path's says no where Path's raises: for a name that no folder can have, or a folder that is not ours.
        if os.path.exists(folder / "last.safetensors") and not options.resume:  # noqa: PTH110  (as said above)
            raise ConfigError(
                f"{printable(folder)} holds a run already; add --resume to go on with it, or give another --output"
            )
    results: list[Result] = []
    for seed, folder in zip(options.seed, folders, strict=True):
        result = _train_one(recipe, options, seed, folder)
        results.append(result)
        print_text(options, f"seed {seed}: {result.split} {result.evaluation}\n  {printable(result.path)}")
    runs = [{"model": recipe.model, "dataset": recipe.dataset, **result.to_json()} for result in results]
    if len(runs) == 1:
        print_json(options, dict(runs[0]))
        return
    accuracies = Repetition(tuple(options.seed), tuple(result.accuracy for result in results))
    print_json(options, {**accuracies.to_json(), "split": results[0].split, "runs": [*runs]})
    print_text(
        options,
        f"{results[0].split} accuracy, mean of {len(runs)} seeds: {accuracies.mean:.3%}, standard deviation "
        f"{accuracies.std:.3%}",
    )


def _train_one(recipe: Recipe, options: argparse.Namespace, seed: int, folder: Path) -> Result:
    from mnistkit.cli.data import load_for_training
    from mnistkit.distributed import World

    data = load_for_training(recipe.dataset, options.root, recipe.validation, of_folder=options.validation)
    try:
        return recipe.run(seed, folder=folder, data=data, device=options.device, resume=options.resume)
    except (KeyboardInterrupt, SystemExit):
        last = folder / "last.safetensors"
        if last.exists() and World.current().is_main:
            print(f"saved {printable(last)}; the same command with --resume goes on from there", file=sys.stderr)
        raise


def _train_drawing(options: argparse.Namespace) -> None:
    """Train a network that looks at pages, and report its card: it is no classifier, and knows fewer options."""
    from mnistkit.recipes import FinderRecipe, LineRecipe

    others = ("model", "set", "dataset", "root", "validation", "schedule", "no_augment", "precision")
    if len(options.seed) > 1 or any(getattr(options, name) for name in others):
        raise ConfigError(
            f"--recipe {options.recipe} takes --epochs, --batch-size, --lr, --optimizer, --device, one --seed, --output and "
            "--resume, and no other option"
        )
    settings = ("optimizer", "lr", "epochs", "batch_size")
    changes: dict[str, Any] = {name: getattr(options, name) for name in settings if getattr(options, name) is not None}
    if changes:
        changes["name"] = f"{options.recipe} with other {', '.join(changes)}"
    folder = user_path(options.output or Path("runs") / options.recipe)
    known: FinderRecipe | LineRecipe = FinderRecipe() if options.recipe == "finder" else LineRecipe()
    recipe = dataclasses.replace(known, **changes)
    trained = recipe.run(options.seed[0], folder=folder, device=options.device, resume=options.resume)
    print_json(options, dict(trained.card.to_json()))
    print_text(options, printable(folder / f"{options.recipe}.safetensors"))


def _run_name(options: argparse.Namespace) -> str:
    name: str = f"fast-{options.fast}" if options.fast else options.recipe or options.model or _DEFAULT
    return name


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that is asked for, with the other options in it."""
    from mnistkit.recipes import get_recipe
    from mnistkit.training import Constant, Cosine, OneCycle

    recipe = get_recipe(f"fast-{options.fast}" if options.fast else options.recipe or _DEFAULT)
    changes: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("model", "dataset", "validation", "optimizer", "lr", "epochs", "batch_size", "precision")
        if getattr(options, name) is not None
    }
    # Another model or optimizer has other arguments.
    if options.model or options.set:
        changes["arguments"] = {**({} if options.model else recipe.arguments), **_model_arguments(options.set)}
    if options.optimizer:
        changes["optimizer_options"] = {}
    if options.schedule:
        changes["schedule"] = {"one-cycle": OneCycle, "cosine": Cosine, "constant": Constant}[options.schedule]
    if options.no_augment:
        changes["augment"] = None
    if not changes:
        return recipe
    return dataclasses.replace(recipe, name=f"{recipe.name} with other {', '.join(changes)}", **changes)


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
