"""Trains the networks of the model zoo, measures them, puts them into the package, and writes docs/zoo.md.

    python benchmarks/zoo.py train FOLDER --seeds 3
    python benchmarks/zoo.py test FOLDER
    python benchmarks/zoo.py page

`train` trains each recipe of the zoo with each seed on 55,000 images, without reading the test images, and keeps what it gets
of 5,000 validation images in benchmarks/results/zoo.json, which is committed then. It goes on with runs that are in FOLDER.
`test` rounds the weights of each run to 16 bits, as they ship, and looks at the test images once: a run that was looked at is
not looked at again, and the file says when that was. The weights of seed 0 go into the package, calibrated on the validation
images. `harder` measures these on changed images; nothing is chosen by it. `page`
compares every two neighbours image by image, and writes the tables. `--only NAME ...` does any of it for some recipes.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import kept as keeping
from kept import ROOT
from mnistkit import Classifier, DigitDataset, compare, evaluate, load_mnist, robustness
from mnistkit.data import Splits
from mnistkit.evaluation import Report
from mnistkit.metrics import Proportion
from mnistkit.models import list_pretrained, pretrained_file
from mnistkit.recipes import get_recipe
from mnistkit.zoo import list_zoo

FILE = "zoo.json"
PAGE = ROOT / "docs" / "zoo.md"
WEIGHTS = ROOT / "src" / "mnistkit" / "models" / "weights"
NAMES = ["separable-1k", "fast-10k", "fast-99.0", "fast-99.4", "lenet5"]
EVERY = [*NAMES, "handwriting"]  # which examples/train_weights.py makes
SHIPPED_SEED = 0
LICENCE = "MIT; MNIST's images are CC BY-SA 3.0"
LIMITS = (
    "Made for MNIST's own images: 28x28, one digit, upright, in the middle. Of photos, scans and drawings it reads fewer than "
    "the weights called handwriting do, and it was never taught what is no digit."
)
EPSILON = 0.1


def train(kept: dict[str, Any], names: list[str], seeds: int, folder: Path, *, busy: bool) -> None:
    """Train what is not kept yet."""
    for seed in range(seeds):
        for name in names:
            runs = kept["results"].setdefault(name, {})
            if str(seed) in runs:
                continue
            data = load_mnist()
            # Without test images the validation images judge.
            blind = Splits(data.train, data.validation, data.test[:0])
            result = get_recipe(name).run(seed, data=blind, folder=folder / f"{name}-{seed}", resume=True)
            print(result, flush=True)
            right = result.evaluation.score
            assert right is not None
            runs[str(seed)] = {
                "validation": [right.correct, right.count],
                "seconds": result.seconds,
                "machine": f"{keeping.processor()}, {result.machine}" + ", busy with other work" * busy,
            }
            keeping.write(FILE, kept)


def test(kept: dict[str, Any], names: list[str], folder: Path) -> None:
    """Look at the test images, once for each run, and put the weights of one seed into the package."""
    data = load_mnist()
    for name in names:
        runs = kept["results"].get(name, {})
        shipped = None
        for seed, run in runs.items():
            file = "best" if get_recipe(name).keep == "best" else "model"
            trained = Classifier.load(folder / f"{name}-{seed}" / f"{file}.safetensors", device="cpu")
            classifier = as_shipped(trained).calibrate(data.validation)
            if "test" not in run:
                report = evaluate(classifier, data.test)
                run |= {
                    "test": [report.score.correct, report.count],
                    "looked": datetime.datetime.now(datetime.UTC).date().isoformat(),
                }
                keeping.write(FILE, kept)
                print(f"{name} seed {seed}: {report.score.correct} of {report.count}", flush=True)
            if int(seed) == SHIPPED_SEED:
                shipped = classifier
        if shipped is not None:
            ship(name, shipped, runs)


def as_shipped(classifier: Classifier) -> Classifier:
    """The classifier with its weights rounded to 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "half.safetensors")
        classifier.save(path, half=True)
        return Classifier.load(path, device="cpu")


def ship(name: str, classifier: Classifier, runs: dict[str, Any]) -> None:
    """Put a classifier into the package, with a card of what was measured."""
    run = runs[str(SHIPPED_SEED)]
    figures: dict[str, Any] = {f"mnist {split}": Proportion(*run[split]).to_json() for split in ("test", "validation")}
    figures["mnist test, right for each seed"] = ", ".join(str(other["test"][0]) for other in runs.values())
    about = {
        **classifier.card.recipe,
        "command": f"mnistkit train --recipe {name} --seed {SHIPPED_SEED}",
        "machine": run["machine"],
    }
    card = replace(classifier.card, recipe=about, figures=figures, licence=LICENCE, limits=LIMITS)
    replace(classifier, card=card).save(WEIGHTS / f"{name}.safetensors", half=True)


def harder(kept: dict[str, Any], names: list[str]) -> None:
    """Measure the weights in the package on images that are not MNIST's own."""
    test = load_mnist().test
    some = test.take_per_class(100)
    for name in names:
        classifier = Classifier.pretrained(name, device="cpu")
        figures = kept.setdefault("harder", {}).setdefault(name, {})
        corrupted = robustness(classifier, some, curves=[], progress=False).corruptions.values()
        figures["corrupted"] = [sum(score.correct for score in corrupted), sum(score.count for score in corrupted)]
        figures["calibration error"] = evaluate(classifier, test).reliability.error
        figures["attacked"] = [attacked(classifier, some), len(some)]
        print(name, figures, flush=True)
        keeping.write(FILE, kept)


def attacked(classifier: Classifier, images: DigitDataset) -> int:
    """How many are right after one step of the gradient's sign, 0.1 of a pixel's range (Goodfellow et al. 2015, equation 1)."""
    pixels = images.images.float() / 255
    normalize = images.preprocessing.normalize_unit
    pixels.requires_grad_()
    (gradient,) = torch.autograd.grad(
        F.cross_entropy(classifier.network(normalize(pixels.clone())), images.labels), pixels
    )
    moved = (pixels.detach() + EPSILON * gradient.sign()).clamp(0, 1)
    with torch.no_grad():
        return int((classifier.network(normalize(moved)).argmax(1) == images.labels).sum())


def page(kept: dict[str, Any]) -> None:
    """Compare every two neighbours, and write the tables of the page."""
    entries = sorted(list_zoo(), key=lambda entry: entry.score.accuracy, reverse=True)
    test = load_mnist().test
    reports = {entry.name: evaluate(Classifier.pretrained(entry.name, device="cpu"), test) for entry in entries}
    kept["networks"] = {
        entry.name: {"parameters": entry.parameters, "macs": entry.macs, **entry.score.to_json()} for entry in entries
    }
    keeping.write(FILE, kept)
    text = "\n".join([*accuracies(kept, entries), "", *harder_table(kept, entries), "", *neighbours(reports)])
    keeping.replace_between(
        PAGE, "<!-- zoo: begin, written by benchmarks/zoo.py -->\n", "<!-- zoo: end -->", text + "\n"
    )


def accuracies(kept: dict[str, Any], entries: list[Any]) -> Iterator[str]:
    """A line for each network."""
    yield "| name | parameters | MACs | kB | test images, mean of the seeds | each seed | 95 % interval | validation | seconds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for entry in entries:
        runs = [run for run in kept["results"].get(entry.name, {}).values() if "test" in run]
        tests = [run["test"] for run in runs] or [[entry.score.correct, entry.score.count]]
        accuracies = [correct / count for correct, count in tests]
        mean, count = statistics.mean(accuracies), tests[0][1]
        # The same test images every time: more seeds do not make the interval narrower.
        low, high = Proportion(round(mean * count), count).interval
        each = ", ".join(f"{accuracy:.2%}" for accuracy in accuracies)
        validation = ", ".join("{:.2%}".format(run["validation"][0] / run["validation"][1]) for run in runs) or "-"
        seconds = f"{statistics.median(run['seconds'] for run in runs):,.0f}" if runs else "-"
        size = f"{len(pretrained_file(entry.name).read_bytes()) / 1000:,.0f}"
        yield (
            f"| `{entry.name}` | {entry.parameters:,} | {entry.macs:,} | {size} | **{mean:.2%}** | {each} "
            f"| {low:.2%} to {high:.2%} | {validation} | {seconds} |"
        )


def harder_table(kept: dict[str, Any], entries: list[Any]) -> Iterator[str]:
    """A line for each network on harder images."""
    yield "| name | corrupted | attacked | calibration error |"
    yield "|---|---|---|---|"
    for entry in entries:
        figures = kept.get("harder", {}).get(entry.name)
        if figures:
            scores = [share(figures[kind]) for kind in ("corrupted", "attacked")]
            error = f"{figures['calibration error']:.2%}"
            yield f"| `{entry.name}` | {scores[0]} | {scores[1]} | {error} |"


def share(score: list[int]) -> str:
    """A share with its interval."""
    found = Proportion(*score)
    low, high = found.interval
    return f"{found.accuracy:.1%} ({low:.1%} to {high:.1%})"


def neighbours(reports: dict[str, Report]) -> Iterator[str]:
    """A line for every two that follow each other."""
    yield "| better | next | only the first is right | only the second | p | verdict |"
    yield "|---|---|---|---|---|---|"
    for (first, report), (second, other) in pairwise(reports.items()):
        found = compare(report, other)
        verdict = "better" if found.significant else "a tie"
        yield f"| `{first}` | `{second}` | {found.only_first} | {found.only_second} | {found.p_value:.2g} | {verdict} |"


def main() -> None:
    """Train, measure or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "test", "harder", "page"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs", "zoo"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--busy", action="store_true", help="something else runs: say so of the seconds")
    options = parser.parse_args()
    kept = keeping.read(FILE)
    ours = [name for name in options.only if name in NAMES]
    match options.what:
        case "train":
            train(kept, ours, options.seeds, options.folder, busy=options.busy)
        case "test":
            test(kept, ours, options.folder)
        case "harder":
            harder(kept, [name for name in list_pretrained() if name in options.only])
        case _:
            page(kept)


if __name__ == "__main__":
    main()
