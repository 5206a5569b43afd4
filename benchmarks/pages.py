"""How well pages of digits are read: pictures with a CSV of the columns file and label, or pages drawn for the purpose.

python benchmarks/pages.py --pictures strings/ strings.csv --output pages.json --html pages.html
python benchmarks/pages.py --drawn 200 --peers

A label is the digits of the page, its lines from top to bottom joined by "/". What is counted, see mnistkit.evaluation's
evaluate_reading; by kind where the CSV has a column of that name. The pages are measured, never trained on. Drawn pages have
MNIST's validation digits and fonts that the finder was not trained on. Peers are PP-OCR (pip install rapidocr-onnxruntime) and
Tesseract (pip install pytesseract, and the program), where they are installed; they have all digits and nothing else to choose
from, so far as they can be told.
"""

import argparse
import csv
import importlib
import importlib.util
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnistkit import Predictor, Reading, load_mnist
from mnistkit.evaluation import PageOutcome, ReadingReport, evaluate_reading
from mnistkit.imaging import load_image
from mnistkit.synthetic.fonts import families, held_out
from mnistkit.synthetic.pages import PagePainter
from mnistkit.types import ImageLike, JsonValue

# Drawn pages are in memory, so many at a time.
CHUNK = 50


class Page(NamedTuple):
    """A picture, its digits, its kind and its name."""

    picture: ImageLike
    label: str
    kind: str
    name: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", nargs=2, type=Path, metavar=("FOLDER", "CSV"))
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="draw so many pages of each layout")
    parser.add_argument("--kinds", nargs="*", help="draw these layouts only")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn pages")
    parser.add_argument("--peers", action="store_true", help="also other programs that are installed")
    parser.add_argument("--errors", action="store_true", help="print what was read wrongly")
    parser.add_argument("--output", type=Path, help="all figures as JSON")
    parser.add_argument("--html", type=Path, help="a page of mnistkit's errors")
    options = parser.parse_args()
    readers: dict[str, Callable[[ImageLike], Reading | str]] = {"mnistkit": Predictor().read}
    if options.peers:
        readers |= peers()
    figures: dict[str, JsonValue] = {}
    for program, reader in readers.items():
        pages = itertools.chain(
            from_csv(*options.pictures) if options.pictures else (),
            from_painter(options.drawn, options.seed, options.kinds) if options.drawn else (),
        )
        report, seconds = judge(pages, reader)
        print(f"{program}, {seconds:.2f} s a page\n{report}\n")
        if options.errors:
            for one in report.mistakes:
                print(f"    {one.name}: {one.label} read as {one.text}")
        if options.html and program == "mnistkit":
            report.save_html(options.html)
        figures[program] = report.to_json() | {"seconds_a_page": seconds}
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


def from_csv(folder: Path, table: Path) -> Iterator[Page]:
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            yield Page(folder / row["file"], row["label"], row.get("kind") or "all", row["file"])


def from_painter(count: int, seed: int, kinds: list[str] | None) -> Iterator[Page]:
    """Drawn pages of 120 to 900 pixels, their digits a fortieth to nine tenths of them."""
    fonts = [font for family, fonts in families().items() if held_out(family) for font in fonts]
    painter = PagePainter(load_mnist().validation, fonts)
    generator = np.random.default_rng(seed)
    for kind in kinds or painter.kinds:
        for number in range(count):
            size = int(generator.integers(120, 900)), int(generator.integers(120, 900))
            heights = max(9.0, min(size) / 40), min(size) / 2.2
            page = painter.draw(generator, size, heights=heights, kind=kind)
            yield Page(page.picture, "/".join(page.lines), kind, f"{kind} {number}")


def judge(pages: Iterator[Page], reader: Callable[[ImageLike], Reading | str]) -> tuple[ReadingReport, float]:
    """The report, and the seconds that a page took."""
    outcomes: list[PageOutcome] = []
    seconds = 0.0
    while chunk := list(itertools.islice(pages, CHUNK)):
        pictures, labels, kinds, names = zip(*chunk, strict=True)
        start = time.perf_counter()
        outcomes += evaluate_reading(pictures, labels, reader=reader, kinds=kinds, names=names).outcomes
        seconds += time.perf_counter() - start
    return ReadingReport(tuple(outcomes)), seconds / max(1, len(outcomes))


def peers() -> dict[str, Callable[[ImageLike], Reading | str]]:
    """The other programs that are installed, by name."""
    found: dict[str, Callable[[ImageLike], Reading | str]] = {}
    if importlib.util.find_spec("rapidocr_onnxruntime"):
        engine = importlib.import_module("rapidocr_onnxruntime").RapidOCR()

        def pp_ocr(picture: ImageLike) -> str:
            # Boxes come from top to bottom, and from left to right.
            lines, _ = engine(load_image(picture, channels=3)[:, :, ::-1])
            return digits_of(" ".join(text for _, text, _ in lines or ()))

        found["PP-OCR"] = pp_ocr
    if importlib.util.find_spec("pytesseract") and shutil.which("tesseract"):
        pytesseract = importlib.import_module("pytesseract")

        def tesseract(picture: ImageLike) -> str:
            options = "--psm 6 -c tessedit_char_whitelist=0123456789"
            return digits_of(pytesseract.image_to_string(load_image(picture, channels=3), config=options))

        found["Tesseract"] = tesseract
    return found


def digits_of(text: str) -> str:
    return "".join(character for character in text if character in "0123456789")


if __name__ == "__main__":
    main()
