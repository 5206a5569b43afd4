"""What each rule and number of reading pages is worth: each left out, halved and doubled, on drawn pages.

python benchmarks/weighing.py --pages 8 --output weighing.json

The finder looks at each page once; what comes after it is done anew for each setting. Of each kind of page (see
drawn_pages.py) the errors are counted for a hundred characters, edits between the digits that stand there and those that were
read; a figure is the mean over the kinds, so that one kind is worth as much as another. The pages have MNIST's validation
digits, and fonts that the finder was not trained on. A number is worth changing if the change is larger than the interval that
is printed with the first row: from pages drawn anew with replacement (a bootstrap of the differences).
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from drawn_pages import DrawnPage, Kinds
from mnistkit import Predictor
from mnistkit.evaluation.readings import edit_distance
from mnistkit.imaging import Finds, Maps, find_characters
from mnistkit.reading import candidates, choosing, ink, line_looks, page, strokes, whole_lines

KINDS = (
    *("lines", "string", "single", "scattered", "table", "form", "display", "prose"),
    *("touching", "overlapping", "words", "amount by hand", "amount printed", "amount on a display"),
    *("turned", "labels", "sentences"),
)
# In which module each number stands.
NUMBERS = {
    candidates: (
        "_FOUND",
        "_MEMBER",
        "_BIAS",
        "_STROKES",
        "_FIT",
        "_SETTLED",
        "_UNSEEN",
        "_FINDER",
    ),
    choosing: ("_BESIDE", "_LIKE_DIGITS", "_RATHER", "_FAINTEST"),
    whole_lines: ("_CLEAR", "_SUREST", "_AGAINST", "_WITHIN", "_BETWEEN_LETTERS", "_HIGHEST"),
    ink: ("_AS_STRONG",),
    line_looks: ("_SURELY",),
    strokes: ("_MATCH", "_CUT", "_NEARLY"),
    page: ("_TURNED",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=8, help="of each kind")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--numbers", nargs="*", help="these only")
    parser.add_argument("--times", nargs="*", type=float, default=[0.0, 0.5, 2.0], help="what each is multiplied by")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    kinds = Kinds()
    pages = [(kind, one) for kind in KINDS for one in kinds.pages(kind, options.pages, options.seed)]
    reader, found = Predictor(), remembered(find_characters)
    with mock.patch.object(page, "find_characters", found):
        base = errors(pages, reader)
        rows = {"as it is": report(base, pages)}
        print(f"{'as it is':<22}{line(rows['as it is'])}", flush=True)
        for module, names in NUMBERS.items():
            for name in names:
                if options.numbers and name not in options.numbers:
                    continue
                for times in options.times:
                    with changed(module, name, times):
                        other = errors(pages, reader)
                    row = f"{name} x {times:g}"
                    rows[row] = report(other, pages) | {"change": change(base, other)}
                    print(f"{row:<22}{line(rows[row])}", flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


def remembered(find: Callable[[np.ndarray, Maps], Finds]) -> Callable[[np.ndarray, Maps], Finds]:
    """A function that looks at each page once."""
    seen: dict[bytes, Finds] = {}

    def look(grey: np.ndarray, maps: Maps) -> Finds:
        key = repr(grey.shape).encode() + grey.tobytes()
        if key not in seen:
            seen[key] = find(grey, maps)
        return seen[key]

    return look


@contextmanager
def changed(module: object, name: str, times: float) -> Iterator[None]:
    with mock.patch.object(module, name, getattr(module, name) * times):
        yield


def errors(pages: list[tuple[str, DrawnPage]], reader: Predictor) -> np.ndarray:
    """Of each page, for a hundred of its characters."""
    counts = []
    for kind, one in pages:
        signs = kind.startswith("amount")
        reading = reader.read(one.picture)
        text = "".join(character.text for character in reading.characters) if signs else reading.text
        wanted = one.text if signs else one.digits
        counts.append(100 * edit_distance(wanted, text) / max(len(one.text or one.digits), 1))
    return np.array(counts)


def report(counts: np.ndarray, pages: list[tuple[str, DrawnPage]]) -> dict[str, float | list[float]]:
    of = np.array([kind for kind, _ in pages])
    # A page may have no character at all, and any number of errors.
    by_kind = {kind: round(float(np.minimum(counts[of == kind], 100).mean()), 2) for kind in KINDS}
    return {"mean": round(float(np.mean(list(by_kind.values()))), 2), **by_kind}


def change(base: np.ndarray, other: np.ndarray) -> list[float]:
    """The interval of the difference to the first row, 95 %."""
    generator = np.random.default_rng(0)
    difference = (np.minimum(other, 100) - np.minimum(base, 100)).reshape(len(KINDS), -1)
    chosen = generator.integers(0, difference.shape[1], (1000, *difference.shape))
    means = np.take_along_axis(difference[None], chosen, axis=2).mean(axis=(1, 2))
    return [round(float(edge), 2) for edge in np.percentile(means, (2.5, 97.5))]


def line(row: dict[str, float | list[float]]) -> str:
    return "  ".join(f"{name} {value}" for name, value in row.items())


if __name__ == "__main__":
    main()
