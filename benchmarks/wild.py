"""How well pictures of real handwriting are read: any folder of pictures with a CSV of the columns file and label.

python benchmarks/wild.py pictures/ pictures.csv --sheet errors.png
python benchmarks/wild.py pictures/ pictures.csv --changed --strings strings/ strings.csv --refuse --mnist 10000

Prints the accuracy with its interval, by kind where the CSV has a column of that name, the confusions, calibration and
coverage; writes a sheet of the errors with what the network saw. The pictures are measured, never trained on.
"""

import argparse
import collections
import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from mnistkit import Classifier, Predictor, load_mnist
from mnistkit.calibration import expected_calibration_error
from mnistkit.errors import ImageError
from mnistkit.imaging import load_image
from mnistkit.metrics import Proportion
from mnistkit.reading import Prediction
from mnistkit.types import JsonValue

# Those that nobody takes for a digit.
LETTERS = "ACDEFGHJKLMNPQRTUVWXYadefhjkmnprtuwxy"

Change: TypeAlias = Callable[[np.ndarray], np.ndarray | bytes]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One line of the CSV."""

    file: Path
    label: str
    kind: str
    repo: str
    side: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="by default the weights that ship")
    parser.add_argument("--sheet", type=Path, help="a picture of the errors")
    parser.add_argument(
        "--changed", action="store_true", help="also inverted, padded, scaled, turned, compressed, shaded"
    )
    parser.add_argument("--strings", nargs=2, type=Path, metavar=("FOLDER", "CSV"), help="pictures of several digits")
    parser.add_argument(
        "--refuse", action="store_true", help="how much of what is no digit is refused at 98 %% coverage"
    )
    parser.add_argument(
        "--fonts", nargs="+", type=Path, default=[], metavar="FILE", help="with --refuse, also letters of these fonts"
    )
    parser.add_argument("--mnist", type=int, default=0, metavar="N", help="also the first N of MNIST's test images")
    parser.add_argument("--output", type=Path, help="all figures as JSON")
    parser.add_argument(
        "--card", type=Path, help="the file of the weights, to write the figures of these pictures into its card"
    )
    options = parser.parse_args()

    predictor = Predictor.from_checkpoint(options.checkpoint) if options.checkpoint else Predictor()
    pictures = read_csv(options.folder, options.csv)
    report: dict[str, object] = {"pictures": len(pictures)}
    predictions = read_all(predictor, (picture.file for picture in pictures))
    report["single"] = accuracies(pictures, predictions)
    report["certainty"] = certainty(predictor, pictures, predictions)
    errors = [pair for pair in zip(pictures, predictions, strict=True) if not right(*pair)]
    print_errors(errors)
    if options.sheet:
        draw_sheet(errors, options.sheet)
    if options.changed:
        originals = [load_image(picture.file, channels=3) for picture in pictures]
        report["changed"] = changed(predictor, originals, [picture.label for picture in pictures])
    if options.strings:
        report["strings"] = strings(predictor, read_csv(*options.strings))
    if options.refuse:
        report["refused"] = refused(predictor, predictions, options.fonts)
    if options.mnist:
        report["mnist"] = mnist(predictor, options.mnist, with_changes=options.changed)
    if options.card:
        write_card(options.card, pictures, report)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


def write_card(path: Path, pictures: list[Picture], report: dict[str, object]) -> None:
    classifier = Classifier.load(path, device="cpu")
    handwriting: dict[str, JsonValue] = {
        "what": f"{len(pictures)} pictures of single digits from {len({picture.repo for picture in pictures})} public "
        "repositories, none of them trained on, measured by benchmarks/wild.py; their errors guided the framing and the "
        "styles of the drawn digits",
    }
    # As JSON has it: lists for tuples.
    handwriting |= json.loads(json.dumps({name: figures for name, figures in report.items() if name != "pictures"}))
    card = dataclasses.replace(classifier.card, figures={**classifier.card.figures, "real handwriting": handwriting})
    dataclasses.replace(classifier, card=card).save(path)


def read_csv(folder: Path, table: Path) -> list[Picture]:
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Picture(
            folder / row["file"],
            row["label"],
            row.get("kind") or "all",
            row.get("repo") or "",
            max(int(row.get("width") or 0), int(row.get("height") or 0)),
        )
        for row in rows
    ]


def read_all(predictor: Predictor, images: Iterable[np.ndarray | bytes | Path]) -> list[Prediction | ImageError]:
    return list(predictor.stream(images))


def right(picture: Picture, prediction: Prediction | ImageError) -> bool:
    return isinstance(prediction, Prediction) and prediction.name == picture.label


def accuracies(pictures: list[Picture], predictions: list[Prediction | ImageError]) -> dict[str, object]:
    groups: dict[str, list[bool]] = collections.defaultdict(list)
    repos: dict[str, list[bool]] = collections.defaultdict(list)
    for picture, prediction in zip(pictures, predictions, strict=True):
        correct = right(picture, prediction)
        for group in ("all", picture.kind, *(["over 40 pixels"] if picture.side > 40 else [])):
            groups[group].append(correct)
        repos[picture.repo].append(correct)
    for group, results in groups.items():
        print(f"{group:>24}: {Proportion(sum(results), len(results))}")
    total = groups["all"]
    without = [(sum(total) - sum(r)) / (len(total) - len(r)) for r in repos.values() if len(r) < len(total)]
    if without:
        worst = sorted(repos, key=lambda repo: sum(repos[repo]) - len(repos[repo]))[:5]
        print(f"leaving out one repository at a time: {min(without):.2%} to {max(without):.2%}; most errors:")
        for repo in worst:
            print(f"    {repo}: {sum(repos[repo])} of {len(repos[repo])}")
    return {group: [sum(results), len(results)] for group, results in groups.items()}


def certainty(
    predictor: Predictor, pictures: list[Picture], predictions: list[Prediction | ImageError]
) -> dict[str, object]:
    read = [
        (prediction, int(picture.label))
        for picture, prediction in zip(pictures, predictions, strict=True)
        if isinstance(prediction, Prediction)
    ]
    probabilities = np.array([prediction.probabilities for prediction, _ in read])
    error = expected_calibration_error(probabilities, np.array([label for _, label in read]))
    print(f"expected calibration error: {error:.2%}; mean confidence {probabilities.max(1).mean():.2%}")
    figures: dict[str, object] = {"calibration_error": error}
    if predictor.classifier.calibration.acceptance:
        accepted = list(predictor.stream((picture.file for picture in pictures), coverage=0.98))
        kept = [
            right(picture, p)
            for picture, p in zip(pictures, accepted, strict=True)
            if isinstance(p, Prediction) and p.rejected is None
        ]
        print(
            f"coverage=0.98 answers {len(kept) / len(pictures):.2%}; of these right: {Proportion(sum(kept), len(kept))}"
        )
        figures |= {"coverage": len(kept) / len(pictures), "accuracy_of_answers": sum(kept) / len(kept)}
    return figures


def print_errors(errors: list[tuple[Picture, Prediction | ImageError]]) -> None:
    confused = collections.Counter(
        f"{picture.label} as {prediction.name if isinstance(prediction, Prediction) else 'unreadable'}"
        for picture, prediction in errors
    )
    print("confusions:", ", ".join(f"{pair} ({count})" for pair, count in confused.most_common()) or "none")
    for picture, prediction in errors:
        print(f"    {picture.file.name}: {picture.label} read as {prediction}")


def draw_sheet(errors: list[tuple[Picture, Prediction | ImageError]], path: Path) -> None:
    columns = 5
    sheet = PIL.Image.new("RGB", (250 * columns, 140 * max(1, math.ceil(len(errors) / columns))), "white")
    for number, (picture, prediction) in enumerate(errors):
        x, y = 250 * (number % columns), 140 * (number // columns)
        original = PIL.Image.fromarray(load_image(picture.file, channels=3))
        original.thumbnail((120, 120))
        sheet.paste(original, (x, y + 16))
        said = "unreadable"
        if isinstance(prediction, Prediction):
            said = f"{prediction.name} {prediction.confidence:.0%}"
            sheet.paste(PIL.Image.fromarray(prediction.frame).resize((112, 112), 0), (x + 125, y + 16))
        PIL.ImageDraw.Draw(sheet).text((x + 2, y + 2), f"{picture.label} read as {said}", fill="red")
    sheet.save(path)


# ---- changed pictures -------------------------------------------------------------------------------------------------


def paper(image: np.ndarray) -> tuple[int, ...]:
    """The colour along the border."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return tuple(int(value) for value in np.median(edge, axis=0))


def padded(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    picture = PIL.Image.new("RGB", (2 * width, 2 * height), paper(image))
    picture.paste(PIL.Image.fromarray(image), (width // 4, (2 * height) // 3))
    return np.asarray(picture)


def scaled(factor: float) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        # Not beyond what a camera gives.
        by = min(factor, 4000 / max(height, width)) if factor > 1 else factor
        size = max(8, round(width * by)), max(8, round(height * by))
        return np.asarray(PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BICUBIC))

    return change


def turned(degrees: float) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        picture = PIL.Image.fromarray(image)
        return np.asarray(picture.rotate(degrees, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor=paper(image)))

    return change


def compressed(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=30)
    return file.getvalue()


def shaded(image: np.ndarray) -> np.ndarray:
    """Lit from one side: at the other only a third of the light is left."""
    light = np.linspace(1, 1 / 3, image.shape[1])[None, :, None]
    return np.rint(image * light).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "inverted": lambda image: 255 - image,
    "padded": padded,
    "scaled by 0.5": scaled(0.5),
    "scaled by 2": scaled(2),
    "scaled by 8": scaled(8),
    "turned by 10 degrees": turned(10),
    "turned by -10 degrees": turned(-10),
    "JPEG quality 30": compressed,
    "strong light gradient": shaded,
}


def changed(predictor: Predictor, images: list[np.ndarray], labels: list[str]) -> dict[str, object]:
    figures: dict[str, object] = {}

    def correct(change: Change) -> int:
        results = read_all(predictor, (change(image) for image in images))
        return sum(
            isinstance(result, Prediction) and result.name == label
            for result, label in zip(results, labels, strict=True)
        )

    before = correct(lambda image: image)
    print(f"{'as they are':>24}: {Proportion(before, len(images))}")
    for name, change in CHANGES.items():
        after = correct(change)
        figures[name] = [after, len(images)]
        print(f"{name:>24}: {Proportion(after, len(images))}, {100 * (after - before) / len(images):+.2f} points")
    return figures


# ---- several digits, no digits, MNIST ---------------------------------------------------------------------------------


def strings(predictor: Predictor, pictures: list[Picture]) -> dict[str, object]:
    correct = 0
    for picture in pictures:
        reading = predictor.read(picture.file)
        correct += reading.text == picture.label
        if reading.text != picture.label:
            print(f"    {picture.file.name}: {picture.label} read as {reading.lines}")
    print(f"{'whole strings':>24}: {Proportion(correct, len(pictures))}")
    return {"correct": correct, "count": len(pictures)}


def refused(
    predictor: Predictor, predictions: list[Prediction | ImageError], fonts: Sequence[Path]
) -> dict[str, object]:
    """Of what is no digit, by another pen than the one in training: at ``coverage=0.98``, and where 98 % of these pass."""
    read = [prediction for prediction in predictions if isinstance(prediction, Prediction)]
    classifier = predictor.classifier
    kept = classifier.calibration.evidence(classifier.logits(np.stack([prediction.frame for prediction in read])))
    thresholds = {"98 % of these": float(np.quantile(kept, 0.02))}
    if predictor.classifier.calibration.acceptance:
        thresholds["coverage 0.98"] = classifier.calibration.least_evidence(0.98)
    figures: dict[str, object] = {}
    no_digits = NO_DIGITS | ({"letters of fonts": lettering(fonts)} if fonts else {})
    for kind, draw in no_digits.items():
        shares = {}
        for name, least in thresholds.items():
            generator = np.random.default_rng(0)
            calibration = dataclasses.replace(classifier.calibration, acceptance=((0.5, least), (0.99, least)))
            strict = Predictor(dataclasses.replace(classifier, calibration=calibration))
            results = list(strict.stream((draw(generator) for _ in range(520)), coverage=0.98))
            # What cannot be read at all is refused, too.
            answered = sum(isinstance(result, Prediction) and result.rejected is None for result in results)
            shares[name] = 1 - answered / len(results)
        figures[kind] = shares
        print(f"{kind:>24}: refused", ", ".join(f"{share:.1%} at {name}" for name, share in shares.items()))
    return figures


def letter(generator: np.random.Generator) -> np.ndarray:
    """A letter that nobody takes for a digit, in one of OpenCV's fonts, slanted and bent, dark on light paper."""
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)
    picture = np.full((200, 200), 230, dtype=np.uint8)
    character = str(generator.choice(list(LETTERS)))
    font = fonts[generator.integers(len(fonts))]
    cv2.putText(picture, character, (60, 140), font, 4.0, 40, int(generator.integers(4, 14)), cv2.LINE_AA)
    return bent(picture, generator)


def lettering(fonts: Sequence[Path]) -> Callable[[np.random.Generator], np.ndarray]:
    """Such a letter in one of these fonts."""
    loaded = [PIL.ImageFont.truetype(font, 110) for font in fonts]

    def draw(generator: np.random.Generator) -> np.ndarray:
        picture = PIL.Image.new("L", (200, 200), 230)
        character = str(generator.choice(list(LETTERS)))
        font = loaded[generator.integers(len(loaded))]
        PIL.ImageDraw.Draw(picture).text((100, 100), character, 40, font, anchor="mm")
        return bent(np.asarray(picture), generator)

    return draw


def bent(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """As an unsteady hand would, with a slant of its own."""
    shift = generator.normal(0, 6, (2, 4, 4)).astype(np.float32)
    field = np.stack([cv2.resize(plane, (200, 200), interpolation=cv2.INTER_CUBIC) for plane in shift])
    y, x = np.mgrid[:200, :200].astype(np.float32)
    slant = generator.normal(0, 0.15) * (y - 100)
    return cv2.remap(picture, x + field[0] + slant, y + field[1], cv2.INTER_LINEAR, borderValue=230)


def noise(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 256, (100, 100), dtype=np.uint8)


def texture(generator: np.random.Generator) -> np.ndarray:
    """Stripes, checks or clouds."""
    y, x = np.mgrid[:120, :120]
    a, b = generator.uniform(0.05, 0.8, 2)
    way = generator.integers(3)
    if way == 0:
        values = np.sin(a * x + b * y)
    elif way == 1:
        values = np.sin(a * x) * np.sin(b * y)
    else:
        clouds: np.ndarray = cv2.GaussianBlur(generator.normal(size=(120, 120)), (0, 0), 3 + 10 * a)
        values = clouds / np.abs(clouds).max()
    picture: np.ndarray = np.rint(127.5 + 100 * values).astype(np.uint8)
    return picture


def scribble(generator: np.random.Generator) -> np.ndarray:
    """A pen that wanders."""
    picture = np.full((200, 200), 240, dtype=np.uint8)
    steps = generator.normal(0, 1, (60, 2)).cumsum(axis=0).cumsum(axis=0)
    low, high = steps.min(axis=0), steps.max(axis=0)
    points = 20 + 160 * (steps - low) / (high - low)
    points += 40 * np.sin(np.arange(60)[:, None] * generator.uniform(0.6, 1.4, 2) + generator.uniform(0, 6, 2))
    cv2.polylines(picture, [np.rint(points).astype(np.int32)], False, 30, int(generator.integers(2, 6)), cv2.LINE_AA)
    return picture


NO_DIGITS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "letters": letter,
    "noise": noise,
    "textures": texture,
    "scribbles": scribble,
}


def mnist(predictor: Predictor, count: int, *, with_changes: bool) -> dict[str, object]:
    test = load_mnist().test[:count]
    images, labels = test.images[:, 0].numpy(), test.labels
    raw = int((predictor.classifier.logits(images).argmax(1) == labels.numpy()).sum())
    print(f"{'MNIST, raw tensors':>24}: {Proportion(raw, count)}")
    names = [str(label) for label in labels.tolist()]
    results = read_all(predictor, on_paper(images))
    framed = sum(isinstance(r, Prediction) and r.name == name for r, name in zip(results, names, strict=True))
    print(f"{'MNIST, as pictures':>24}: {Proportion(framed, count)}")
    figures: dict[str, object] = {"raw": [raw, count], "pictures": [framed, count]}
    if with_changes:
        originals = [np.repeat(255 - image[:, :, None], 3, axis=2) for image in images]
        figures["changed"] = changed(predictor, originals, names)
    return figures


def on_paper(images: np.ndarray) -> Iterator[bytes]:
    """Black on white, somewhere in a PNG of 100 x 140."""
    generator = np.random.default_rng(0)
    for image in images:
        picture = np.full((140, 100), 255, dtype=np.uint8)
        top, left = generator.integers(0, 113), generator.integers(0, 73)
        picture[top : top + 28, left : left + 28] = 255 - image
        file = io.BytesIO()
        PIL.Image.fromarray(picture).save(file, "PNG")
        yield file.getvalue()


if __name__ == "__main__":
    main()
