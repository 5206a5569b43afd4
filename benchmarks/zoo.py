"""Trains the networks of the model zoo, measures them, and puts them into the package.

    python benchmarks/zoo.py train FOLDER --seeds 3
    python benchmarks/zoo.py group FOLDER
    python benchmarks/zoo.py test FOLDER
    python benchmarks/zoo_page.py

`train` trains each recipe of the zoo with each seed on 55,000 images, without reading the test images, and keeps what it gets
of 5,000 validation images in benchmarks/results/zoo.json, which is committed then. It goes on with runs that are in FOLDER.
`whole` trains what was chosen on all 60,000 training images, and looks at the test images once.
`group` chooses, by the validation images, some of the runs whose probabilities are averaged. `test` rounds the weights of each
run to 16 bits, as they ship, and looks at the test images once: a run, or group, that was looked at is not looked at again, and
the file says when that was. The weights of seed 0 go into the package, calibrated on the validation images. `harder` measures
these on changed images, and `pictures FOLDER --table CSV`, as benchmarks/wild.py, on pictures of real handwriting; nothing is
chosen by either. `--only NAME ...` does any of it for some recipes.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import kept as keeping
from kept import ROOT
from mnistkit import Classifier, DigitDataset, Predictor, evaluate, load_dataset, load_mnist, robustness
from mnistkit.data import Splits, dataset_info
from mnistkit.metrics import Proportion
from mnistkit.models import list_pretrained
from mnistkit.recipes import Result, get_recipe
from wild import read_all, read_csv, right

FILE = "zoo.json"
WEIGHTS = ROOT / "src" / "mnistkit" / "models" / "weights"
NAMES = [
    "separable-1k",
    "separable-10k",
    "separable-100k",
    "fast-10k",
    "cnn-100k",
    "fast-99.0",
    "fast-99.4",
    "fast-99.6",
    "lenet5",
    "lenet5-long",
    "vgg-100k",
    "vgg-200k",
    "vgg-300k",
    "vgg-1m",
    "fashion-200k",
    "fashion-1m",
]
# Too large for the package, or for what they can there: what they got is told, their recipes make them.
LARGE = ["fast-99.6", "vgg-300k", "vgg-1m", "fashion-1m"]
EVERY = [*NAMES, "handwriting"]  # which examples/train_weights.py makes
SHIPPED_SEED = 0
LIMITS = {
    "mnist": "Made for MNIST's own images: 28x28, one digit, upright, in the middle. Of photos, scans and drawings it reads "
    "fewer than the weights called handwriting do, and it was never taught what is no digit.",
    "fashion-mnist": "Made for Fashion-MNIST's own images: 28x28, one piece, upright, light on black. It tells no digits.",
}
EPSILON = 0.1


def train(names: list[str], seeds: int, folder: Path, *, busy: bool) -> None:
    """Train what is not kept yet."""
    for seed in range(seeds):
        for name in names:
            if str(seed) in keeping.read(FILE)["results"].get(name, {}):
                continue
            data, place = images(name), folder / f"{name}-{seed}"
            # Without test images the validation images judge.
            blind = Splits(data.train, data.validation, data.test[:0])
            whole, start = not place.exists(), time.process_time()
            result = get_recipe(name).run(seed, data=blind, folder=place, resume=True)
            print(result, flush=True)
            score = result.evaluation.score
            assert score is not None
            run = {
                "validation": [score.correct, score.count],
                "seconds": result.seconds,
                # Of a run that was resumed only the last part is known.
                "core seconds": time.process_time() - start if whole else None,
                "machine": on(result, busy=busy),
            }
            with keeping.changing(FILE) as kept:
                kept["results"].setdefault(name, {})[str(seed)] = run


def train_whole(names: list[str], seeds: int, folder: Path, *, busy: bool) -> None:
    """Train what was chosen on all training images, of which none are left to choose by, and look at the test images once."""
    for seed in range(seeds):
        for name in names:
            if str(seed) in keeping.read(FILE).get("whole", {}).get(name, {}):
                continue
            recipe = replace(get_recipe(name), validation=0)
            result = recipe.run(seed, folder=folder / f"{name}-whole-{seed}", resume=True)
            print(result, flush=True)
            score = result.evaluation.score
            assert score is not None
            run = {**looked(score), "seconds": result.seconds, "machine": on(result, busy=busy)}
            with keeping.changing(FILE) as kept:
                kept.setdefault("whole", {}).setdefault(name, {})[str(seed)] = run


def on(result: Result, *, busy: bool) -> str:
    """Where a run was trained."""
    return f"{keeping.processor()}, {result.machine}" + ", busy with other work" * busy


def images(name: str) -> Splits:
    """The data set of a recipe; Fashion-MNIST's is downloaded, or found where $MNISTKIT_HOME says."""
    return load_dataset(get_recipe(name).dataset)


def test(names: list[str], folder: Path) -> None:
    """Look at the test images, once for each run, and put the weights of one seed into the package."""
    for name in names:
        shipped, data = None, images(name)
        for seed, run in keeping.read(FILE)["results"].get(name, {}).items():
            classifier = trained(folder, name, seed, data.validation)
            if "test" not in run:
                score = evaluate(classifier, data.test).score
                with keeping.changing(FILE) as kept:
                    kept["results"][name][seed] |= looked(score)
                print(f"{name} seed {seed}: {score}", flush=True)
            if ships(name, seed):
                shipped = classifier
        if shipped is not None:
            ship(name, shipped, keeping.read(FILE)["results"][name])
    group = keeping.read(FILE).get("group")
    if group is not None and "test" not in group:
        data = load_mnist()
        members = [
            trained(folder, name, seed, data.validation).probabilities(data.test) for name, seed in group["members"]
        ]
        hits = np.mean(members, axis=0).argmax(1) == data.test.labels.numpy()
        score = Proportion(int(hits.sum()), len(hits))
        with keeping.changing(FILE) as kept:
            kept["group"] |= looked(score)
        print(f"group: {score}", flush=True)


def looked(score: Proportion) -> dict[str, Any]:
    """What was seen of the test images, and when."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"test": [score.correct, score.count], "looked": day}


def trained(folder: Path, name: str, seed: str, validation: DigitDataset) -> Classifier:
    """What a run gave, as it ships; from the package, if it is there and the run's folder is gone."""
    if not (folder / f"{name}-{seed}").exists() and ships(name, seed):
        return Classifier.pretrained(name, device="cpu")
    file = "best" if get_recipe(name).keep == "best" else "model"
    found = Classifier.load(folder / f"{name}-{seed}" / f"{file}.safetensors", device="cpu")
    return as_shipped(found).calibrate(validation)


def ships(name: str, seed: str) -> bool:
    """Whether a run's weights are those in the package."""
    return int(seed) == SHIPPED_SEED and name not in LARGE


def choose_group(names: list[str], folder: Path) -> None:
    """The runs whose mean probabilities are best on the validation images.

    One is added after another, that which lowers the log loss most, until none does (Caruana et al. 2004, *Ensemble selection
    from libraries of models*, section 2). The runs are those in FOLDER and in the package; `handwriting` is not among them, as it
    was trained on the validation images.
    """
    validation = load_mnist().validation
    labels = validation.labels.numpy()
    results = keeping.read(FILE)["results"]
    every = {
        (name, seed): trained(folder, name, seed, validation).probabilities(validation)
        for name in names
        for seed in results.get(name, {})
        if (folder / f"{name}-{seed}").exists() or ships(name, seed)
    }

    def loss(members: list[tuple[str, str]]) -> float:
        mean = np.mean([every[member] for member in members], axis=0)
        return -float(np.log(mean[np.arange(len(labels)), labels]).mean())

    chosen: list[tuple[str, str]] = []
    while rest := [member for member in every if member not in chosen]:
        best = min(rest, key=lambda member: loss([*chosen, member]))
        if chosen and loss([*chosen, best]) >= loss(chosen):
            break
        chosen.append(best)
    mean = np.mean([every[member] for member in chosen], axis=0)
    correct = int((mean.argmax(1) == labels).sum())
    with keeping.changing(FILE) as kept:
        before = kept.get("group", {})
        if before.get("validation", [0])[0] > correct:
            print(
                f"{correct} right, fewer than {before['validation'][0]} of the group that is kept: that stays",
                flush=True,
            )
            return
        # What was looked at stays told.
        if before.get("members") != [list(member) for member in chosen]:
            if "test" in before:
                kept["earlier"].append({"group": before.pop("members"), **before})
            kept["group"] = {"members": chosen, "validation": [correct, len(labels)]}
    print(kept["group"], flush=True)


def as_shipped(classifier: Classifier) -> Classifier:
    """The classifier with its weights rounded to 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "half.safetensors")
        classifier.save(path, half=True)
        return Classifier.load(path, device="cpu")


def ship(name: str, classifier: Classifier, runs: dict[str, Any]) -> None:
    """Put a classifier into the package, with a card of what was measured."""
    run = runs[str(SHIPPED_SEED)]
    data = dataset_info(get_recipe(name).dataset)
    figures: dict[str, Any] = {
        f"{data.name} {split}": Proportion(*run[split]).to_json() for split in ("test", "validation")
    }
    figures[f"{data.name} test, right for each seed"] = ", ".join(str(other["test"][0]) for other in runs.values())
    about = {
        **classifier.card.recipe,
        "command": f"mnistkit train --recipe {name} --seed {SHIPPED_SEED}",
        "machine": run["machine"],
    }
    # Where the files lay on one computer is of no use on another.
    images = classifier.card.data if data.torchvision is None else {**classifier.card.data, "source": "torchvision"}
    card = replace(
        classifier.card,
        data=images,
        recipe={**about, "data": {key: images[key] for key in about["data"]}},
        figures=figures,
        licence=f"MIT; the images of {data.name}: {data.licence}",
        limits=LIMITS[data.name],
    )
    replace(classifier, card=card).save(WEIGHTS / f"{name}.safetensors", half=True)


def harder(names: list[str]) -> None:
    """Measure the weights in the package on images that are not MNIST's own."""
    test = load_mnist().test
    some = test.take_per_class(100)
    for name in names:
        classifier = Classifier.pretrained(name, device="cpu")
        corrupted = robustness(classifier, some, curves=[], progress=False).corruptions.values()
        figures = {
            "corrupted": [sum(score.correct for score in corrupted), sum(score.count for score in corrupted)],
            "calibration error": evaluate(classifier, test).reliability.error,
            "attacked": [attacked(classifier, some), len(some)],
        }
        keep_harder(name, figures)


def read_pictures(names: list[str], folder: Path, table: Path) -> None:
    """Measure the weights in the package on pictures of real handwriting."""
    pictures = read_csv(folder, table)
    for name in names:
        reader = Predictor(Classifier.pretrained(name, device="cpu"))
        found = map(right, pictures, read_all(reader, (picture.file for picture in pictures)))
        keep_harder(name, {"pictures": [sum(found), len(pictures)]})


def keep_harder(name: str, figures: dict[str, Any]) -> None:
    """Keep what a network got of harder images, and print it."""
    print(name, figures, flush=True)
    with keeping.changing(FILE) as kept:
        kept.setdefault("harder", {}).setdefault(name, {}).update(figures)


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


def main() -> None:
    """Train, choose or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "whole", "group", "test", "harder", "pictures"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs", "zoo"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--busy", action="store_true", help="something else runs: say so of the seconds")
    parser.add_argument("--table", type=Path, help="of the pictures: their files and labels")
    options = parser.parse_args()
    ours = [name for name in options.only if name in NAMES]
    digits = [name for name in options.only if name not in NAMES or get_recipe(name).dataset == "mnist"]
    shipped = [name for name in list_pretrained() if name in digits]
    match options.what:
        case "train":
            train(ours, options.seeds, options.folder, busy=options.busy)
        case "whole":
            train_whole(ours, options.seeds, options.folder, busy=options.busy)
        case "group":
            choose_group([name for name in ours if name in digits], options.folder)
        case "test":
            test(ours, options.folder)
        case "harder":
            harder(shipped)
        case _:
            read_pictures(shipped, options.folder, options.table)


if __name__ == "__main__":
    main()
