"""How long `read` and `predict` take, and how much memory, with pictures that are made to be hard.

    python benchmarks/pathological.py --pages 200 --output pathological.json

Noise, checkerboards, combs, hatching, specks, nested frames, gradients, digits by the thousand, in sizes from a pixel to the
largest that is read, as PNG files in memory. The seconds are those of one core (with OMP_NUM_THREADS=1); the memory is the most
that the program has at once, with torch and all: Linux tells it.
"""

import argparse
import ctypes
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from mnistkit import Predictor, load_mnist
from mnistkit.errors import ImageError
from mnistkit.imaging import MAX_PIXELS, MAX_SIDE

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Draw = np.random.Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, help="these only")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    kinds = options.kinds or list(KINDS)
    predictor = Predictor()
    rows = []
    for number in range(options.pages):
        kind = kinds[number % len(kinds)]
        height, width = size(generator)
        file = io.BytesIO()
        page = PIL.Image.fromarray(KINDS[kind](generator, height, width))
        (page.convert("1") if generator.random() < 0.1 else page).save(file, "PNG", compress_level=1)
        row: dict[str, str | float] = {"kind": kind, "height": height, "width": width, "bytes": file.tell()}
        for name, use in (("read", predictor.read), ("predict", lambda image: predictor.predict(image, coverage=0.98))):
            # What earlier pictures left in the C library's heap is not this one's; and the peak begins anew.
            ctypes.CDLL(None).malloc_trim(0)
            RESET.write_text("5")
            start = time.process_time()
            try:
                use(file.getvalue())
            except ImageError as error:
                row["refused"] = str(error)
            row[f"{name} seconds"] = round(time.process_time() - start, 3)
            row[f"{name} MB"] = peak_megabytes()
        rows.append(row)
        print(json.dumps(row), flush=True)
    for name in ("read seconds", "predict seconds", "read MB", "predict MB"):
        worst = max(rows, key=lambda row: float(row[name]))
        middle = float(np.median([float(row[name]) for row in rows]))
        print(f"{name}: median {middle:.2f}, worst {worst[name]} ({worst['kind']}, {worst['width']}x{worst['height']})")
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


def peak_megabytes() -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1000)


def size(draw: Draw) -> tuple[int, int]:
    """Height and width: small, of the size of a photo, as large as can be, or a strip."""
    way = draw.integers(4)
    if way == 0:
        height, width = draw.integers(1, 200, 2)
    elif way == 1:
        height, width = draw.integers(200, 3000, 2)
    elif way == 2:
        width = draw.integers(4000, 10_000)
        height = MAX_PIXELS // width
    else:
        height, width = draw.integers(1, 1000), draw.integers(1000, MAX_SIDE + 1)
    return (int(height), int(width)) if draw.random() < 0.5 else (int(width), int(height))


def noise(draw: Draw, height: int, width: int) -> np.ndarray:
    """Of any grain."""
    return _enlarged(draw.integers(0, 256, _shape(draw, height, width), np.uint8), height, width)


def blots(draw: Draw, height: int, width: int) -> np.ndarray:
    """Noise cut into black and white."""
    share = 255 * draw.uniform(0.05, 0.6)
    return np.where(noise(draw, height, width) < share, 0, 255).astype(np.uint8)


def checkerboard(draw: Draw, height: int, width: int) -> np.ndarray:
    side = int(draw.integers(1, 60))
    rows, columns = np.arange(height) // side % 2, np.arange(width) // side % 2
    return ((rows[:, None] ^ columns) * 255).astype(np.uint8)


def comb(draw: Draw, height: int, width: int) -> np.ndarray:
    """Teeth on one bar: a part that goes everywhere."""
    page = np.full((height, width), 255, np.uint8)
    pitch = int(draw.integers(2, 40))
    page[:, ::pitch] = 0
    page[height // 2 : height // 2 + 3] = 0
    return page


def hatching(draw: Draw, height: int, width: int) -> np.ndarray:
    """Slanted lines, perhaps crossed."""
    pitch, slope = draw.uniform(3, 60), draw.uniform(-2, 2)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    page = (x + slope * y) % pitch < pitch * draw.uniform(0.1, 0.6)
    if draw.random() < 0.5:
        page = page | ((y - slope * x) % pitch < pitch * 0.2)
    return np.where(page, 0, 255).astype(np.uint8)


def specks(draw: Draw, height: int, width: int) -> np.ndarray:
    """Thousands of spots in rows or anywhere."""
    page = np.full((height, width), 255, np.uint8)
    radius = int(draw.integers(1, 12))
    many = min(20_000, height * width // (4 * radius * radius) + 1)
    for x, y in zip(draw.integers(0, width, many).tolist(), draw.integers(0, height, many).tolist(), strict=True):
        cv2.circle(page, (x, y), int(radius * draw.uniform(0.3, 1)), 0, cv2.FILLED)
    return page


def frames(draw: Draw, height: int, width: int) -> np.ndarray:
    """Boxes in boxes."""
    page = np.full((height, width), 255, np.uint8)
    step = int(draw.integers(2, 20))
    for inset in range(0, min(height, width) // 2, step):
        cv2.rectangle(page, (inset, inset), (width - 1 - inset, height - 1 - inset), 0, 1)
    return page


def gradient(draw: Draw, height: int, width: int) -> np.ndarray:
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)[:, None]
    across, down = draw.uniform(0, 300, 2).astype(np.float32)
    page: np.ndarray = 127.5 + 127.5 * np.sin(across * x + down * y)
    return page.astype(np.uint8)


def digits(draw: Draw, height: int, width: int) -> np.ndarray:
    """Digits side by side all over the page, of any size."""
    images = load_mnist().validation.images[:, 0].numpy()
    scale = draw.uniform(0.3, 3)
    rows, columns = (min(300, int(side / (28 * scale)) + 1) for side in (height, width))
    chosen = images[draw.integers(0, len(images), rows * columns)]
    page = chosen.reshape(rows, columns, 28, 28).transpose(0, 2, 1, 3).reshape(28 * rows, 28 * columns)
    return cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)


def letters(draw: Draw, height: int, width: int) -> np.ndarray:
    """Text all over the page."""
    page = np.full((height, width), 255, np.uint8)
    size = draw.uniform(0.3, 2)
    step = max(8, int(32 * size))
    for y in range(step, min(height, 200 * step), step):
        text = "".join(draw.choice(list("lIOSBZabcdefgh1234567890 "), min(200, int(width / (18 * size)) + 1)))
        cv2.putText(page, text, (0, y), cv2.FONT_HERSHEY_SIMPLEX, size, 0, max(1, int(2 * size)))
    return page


def blank(draw: Draw, height: int, width: int) -> np.ndarray:
    return np.full((height, width), draw.integers(0, 256), np.uint8)


def scribble(draw: Draw, height: int, width: int) -> np.ndarray:
    """One line that crosses itself some thousand times."""
    page = np.full((height, width), 255, np.uint8)
    places = np.column_stack([draw.integers(0, width, 3000), draw.integers(0, height, 3000)]).astype(np.int32)
    cv2.polylines(page, [places], isClosed=False, color=0, thickness=int(draw.integers(1, 6)))
    return page


def _shape(draw: Draw, height: int, width: int) -> tuple[int, int]:
    grain = int(2 ** draw.uniform(0, 6))
    return height // grain + 1, width // grain + 1


def _enlarged(page: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(page, (width, height), interpolation=cv2.INTER_NEAREST)


KINDS: dict[str, Callable[[Draw, int, int], np.ndarray]] = {
    "noise": noise,
    "blots": blots,
    "checkerboard": checkerboard,
    "comb": comb,
    "hatching": hatching,
    "specks": specks,
    "frames": frames,
    "gradient": gradient,
    "digits": digits,
    "letters": letters,
    "blank": blank,
    "scribble": scribble,
}


if __name__ == "__main__":
    main()
