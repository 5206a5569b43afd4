"""The commands that report: ``evaluate``, ``compare``, ``models``, ``datasets``, ``recipes``, ``info``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit._core.text import printable
from mnistkit.cli.output import print_json, print_text, reports_here, say
from mnistkit.errors import ConfigError, DownloadError, UnknownModelError, unknown_name

if TYPE_CHECKING:
    from mnistkit.checkpoint import CheckpointFile
    from mnistkit.data import DigitDataset, Preprocessing
    from mnistkit.evaluation import Report

__all__ = ["compare", "datasets", "evaluate", "info", "models", "recipes"]

# Values of one list that a line for people shows.
_MOST_VALUES = 100


def evaluate(options: argparse.Namespace) -> None:
    """Measure a checkpoint."""
    _require_suffix(options.report)
    report, name = _measure(options.checkpoint, options)
    if options.report is not None and reports_here():
        if options.report.suffix == ".json":
            report.save(options.report)
        else:
            report.save_html(options.report)
    print_json(options, {**report.to_json(), "dataset": name, "split": options.split})
    print_text(options, str(report))
    if options.report is not None:
        print_text(options, f"\nreport: {options.report}")


def compare(options: argparse.Namespace) -> None:
    """Compare two checkpoints, or reports on them, image by image."""
    from dataclasses import replace

    from mnistkit.evaluation import Report, compare

    reports = [
        Report.load(path) if path.suffix == ".json" else _measure(path, options)[0]
        for path in (options.first, options.second)
    ]
    # Two runs of one model differ in their files.
    names = str(options.first), str(options.second)
    first, second = (replace(report, model=name) for report, name in zip(reports, names, strict=True))
    result = compare(first, second)
    print_json(options, dict(result.to_json()))
    print_text(options, str(result))


def _require_suffix(path: Path | None) -> None:
    # Before the measurement, not after it.
    if path is not None and path.suffix not in {".html", ".json"}:
        raise ConfigError(f"--report {path}: expected a name that ends in .html (to read) or .json (for programs)")


def _measure(path: Path, options: argparse.Namespace) -> tuple[Report, str]:
    """The report on a checkpoint, and the name of its data set."""
    from mnistkit.checkpoint import read_checkpoint
    from mnistkit.classifier import Classifier
    from mnistkit.data import list_datasets
    from mnistkit.evaluation import evaluate

    content = read_checkpoint(path)
    name = options.dataset or content.data.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{path} does not say what it was trained on; give --dataset")
    if options.dataset is None:
        # Of data sets that were joined, the first that has test images: "mnist+strokes".
        name = next((part for part in name.split("+") if part in list_datasets()), name)
    dataset, train = _load(options, path, name, content.preprocessing)
    _refuse_seen_images(options, path, content, dataset, train)
    # What is not in the file is taken from the data.
    content.preprocessing = content.preprocessing or dataset.preprocessing
    content.classes = content.classes or dataset.classes
    return evaluate(Classifier.from_file(content, content.build()), dataset, device=options.device), name


def _load(
    options: argparse.Namespace, path: Path, name: str, preprocessing: Preprocessing | None
) -> tuple[DigitDataset, DigitDataset | None]:
    """The images to measure on, and what was left for training."""
    from mnistkit.cli.data import load_for_evaluation

    by_user = options.dataset is not None
    try:
        return load_for_evaluation(
            name, options.root, options.split, options.validation, preprocessing=preprocessing, by_user=by_user
        )
    except (ConfigError, DownloadError) as error:
        if by_user:
            raise
        raise type(error)(
            f"{error}\n{path} was trained on {name!r}, as it says itself; what only a file asks for is not downloaded: "
            "give --dataset"
        ) from error


def _refuse_seen_images(
    options: argparse.Namespace, path: Path, content: CheckpointFile, dataset: DigitDataset, train: DigitDataset | None
) -> None:
    """Images that the model was trained on would say nothing."""
    if train is None:
        if content.data.get("source") == dataset.source:
            raise ConfigError(f"{path} was trained on pictures of {dataset.source}; give a folder of others")
        return
    seen = content.data.get("count") if content.data.get("name") == train.name else None
    if isinstance(seen, int) and seen > len(train):
        raise ConfigError(
            f"{path} was trained on {seen:,} images, of which --validation {options.validation} sets some "
            "aside; give the --validation of its training"
        )


def models(options: argparse.Namespace) -> None:
    """List the models, or the trained networks that ship."""
    if options.zoo:
        _zoo(options)
        return
    from mnistkit.models import create_model, list_models, model_factory, summary

    rows: list[dict[str, object]] = []
    for name in list_models(options.pattern):
        figures = summary(create_model(name))
        first_line = (model_factory(name).__doc__ or "").strip().partition("\n")[0]
        rows.append({"name": name, "parameters": figures.parameters, "macs": figures.macs, "description": first_line})
    if not rows:
        raise UnknownModelError(unknown_name("model", options.pattern, list_models()))
    print_json(options, {"models": rows})
    if not options.json:
        say(f"{'name':<20}{'parameters':>12}{'MACs':>12}")
        for row in rows:
            say(f"{row['name']:<20}{row['parameters']:>12,}{row['macs']:>12,}\n    {row['description']}")


def _zoo(options: argparse.Namespace) -> None:
    from mnistkit.zoo import list_zoo

    entries = list_zoo(options.pattern)
    print_json(options, {"zoo": [entry.to_json() for entry in entries]})
    if not options.json:
        titles = ("name", "measured on", "accuracy", "95 % interval", "parameters", "MACs", "microseconds", "kB")
        say("{:<15}{:<19}{:>8}{:>20}{:>12}{:>12}{:>14}{:>7}".format(*titles))
        for entry in entries:
            low, high = entry.score.interval
            say(
                f"{entry.name:<15}{entry.measured_on:<19}{entry.score.accuracy:>8.2%}{f'{low:.2%} to {high:.2%}':>20}"
                f"{entry.parameters:>12,}{entry.macs:>12,}{entry.microseconds:>14,.0f}{entry.kilobytes:>7,.0f}"
            )


def datasets(options: argparse.Namespace) -> None:
    """List the data sets."""
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
    print_json(options, {"datasets": rows, "folder": str(cache_dir())})
    if not options.json:
        for info in infos:
            where = "in this package" if info.torchvision is None else "downloaded when first used"
            say(
                f"{info.name:<18}{info.title}, {len(info.classes)} classes, {where}\n{'':<18}{info.licence}; {info.citation}"
            )
        say(f"\nDownloads are kept in {cache_dir()}; MNISTKIT_HOME sets another folder.")


def recipes(options: argparse.Namespace) -> None:
    """List the recipes."""
    from mnistkit.recipes import FinderRecipe, LineRecipe, Recipe, get_recipe, list_recipes

    known: list[Recipe | FinderRecipe | LineRecipe] = [
        *map(get_recipe, list_recipes()),
        FinderRecipe(),
        LineRecipe(),
    ]
    print_json(options, {"recipes": [recipe.describe() for recipe in known]})
    if not options.json:
        say(f"{'name':<16}{'model':<20}{'data set':<16}{'epochs':>6}")
        for recipe in known:
            say(f"{recipe.name:<16}{recipe.model:<20}{recipe.dataset:<16}{recipe.epochs:>6g}\n    {recipe.title}")


def info(options: argparse.Namespace) -> None:
    """Say what a checkpoint holds."""
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
        **content.about,
        "versions": content.versions,
        "progress": {
            name: value
            for name in ("epoch", "step", "seconds")
            if isinstance(value := training.get(name), (int, float))
        },
    }
    print_json(options, report)
    if not options.json:
        for name, value in report.items():
            say(f"{name + ':':<15}{_plain(value)}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{printable(key)} {_plain(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        # The marks of a thousand images are for a program to compare; --json has them.
        return f"{len(value):,} values" if len(value) > _MOST_VALUES else " ".join(map(_plain, value)) or "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else printable(value)
