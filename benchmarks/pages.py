"""How well pages of digits are read: pictures with a CSV of the columns file and label, or pages drawn for the purpose.

python benchmarks/pages.py --pictures strings/ strings.csv --output pages.json
python benchmarks/pages.py --drawn 200

A label is the digits of the page, its lines from top to bottom joined by "/". Counted are whole pages, the character error
rate (edit distance over the label's digits) and the mean of the error over the pages, each at most 1; by kind where the CSV
has a column of that name. The pages are measured, never trained on. Drawn pages have MNIST's validation digits and fonts that
the finder was not trained on.
"""

import argparse
import collections
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mnistkit import Predictor, load_mnist
from mnistkit.metrics import wilson_interval
from mnistkit.synthetic.fonts import families, held_out
from mnistkit.synthetic.pages import PagePainter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", nargs=2, type=Path, metavar=("FOLDER", "CSV"))
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="draw so many pages of each layout")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn pages")
    parser.add_argument("--errors", action="store_true", help="print what was read wrongly")
    parser.add_argument("--output", type=Path, help="all figures as JSON")
    options = parser.parse_args()
    predictor = Predictor()
    report = {}
    if options.pictures:
        report["pictures"] = judge(predictor, from_csv(*options.pictures), errors=options.errors)
    if options.drawn:
        report["drawn"] = judge(predictor, from_painter(options.drawn, options.seed), errors=options.errors)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


def from_csv(folder: Path, table: Path) -> Iterator[tuple[object, str, str, str]]:
    """A picture, its digits, its kind and its name."""
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            yield folder / row["file"], row["label"].replace("/", ""), row.get("kind") or "all", row["file"]


def from_painter(count: int, seed: int) -> Iterator[tuple[object, str, str, str]]:
    """Drawn pages of 120 to 900 pixels, their digits a fortieth to nine tenths of them."""
    fonts = [font for family, fonts in families().items() if held_out(family) for font in fonts]
    painter = PagePainter(load_mnist().validation, fonts)
    generator = np.random.default_rng(seed)
    for kind in painter.kinds:
        for number in range(count):
            size = int(generator.integers(120, 900)), int(generator.integers(120, 900))
            heights = max(9.0, min(size) / 40), min(size) / 2.2
            page = painter.draw(generator, size, heights=heights, kind=kind)
            yield page.picture, "".join(page.lines), kind, f"{kind} {number}"


def judge(
    predictor: Predictor, pages: Iterator[tuple[object, str, str, str]], *, errors: bool
) -> dict[str, dict[str, float]]:
    results: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
    start = time.perf_counter()
    for picture, label, kind, name in pages:
        text = predictor.read(picture).text  # type: ignore[arg-type]
        wrong = edits(text, label)
        if wrong and errors:
            print(f"    {name}: {label} read as {text}")
        for group in ("all", kind):
            results[group].append((wrong, len(label)))
    seconds = (time.perf_counter() - start) / max(1, len(results["all"]))
    figures = {}
    for group, pairs in results.items():
        whole, digits = sum(not wrong for wrong, _ in pairs), sum(count for _, count in pairs)
        rate = sum(wrong for wrong, _ in pairs) / max(1, digits)
        mean = float(np.mean([min(1.0, wrong / max(1, count)) for wrong, count in pairs]))
        low, high = wilson_interval(whole, len(pairs))
        figures[group] = {"pages": len(pairs), "whole": whole, "error_rate": rate, "mean_error": mean}
        print(
            f"{group:>16}: {whole} of {len(pairs)} whole ({low:.1%} to {high:.1%}), "
            f"error rate {rate:.1%}, mean of the pages {mean:.1%}"
        )
    print(f"{seconds:.2f} s a page")
    return figures


def edits(read: str, label: str) -> int:
    """The least number of digits to insert, delete or replace."""
    row = list(range(len(label) + 1))
    for place, digit in enumerate(read, 1):
        before, row[0] = row[0], place
        for column, other in enumerate(label, 1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (digit != other))
    return row[-1]


if __name__ == "__main__":
    main()
