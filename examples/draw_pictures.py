"""Draws the sample pictures of the package: digits as strokes of a pen on paper, off-centre, none of them from a data set.

python examples/draw_pictures.py
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

# Corner points of each digit's strokes, in hundredths of its box.
STROKES = {
    "two": [
        [(12, 25), (25, 8), (50, 2), (75, 10), (84, 28), (76, 48), (50, 70), (20, 92), (12, 98), (50, 95), (92, 97)]
    ],
    "four": [[(62, 2), (42, 30), (12, 64), (45, 63), (90, 60)], [(70, 34), (66, 70), (60, 99)]],
    "seven": [[(8, 8), (45, 6), (90, 3), (72, 36), (56, 68), (44, 99)], [(34, 52), (82, 48)]],
}
PAPER, INK = (247, 243, 232), (38, 46, 92)


def draw(size: tuple[int, int], *digits: tuple[str, tuple[int, int], float]) -> Image.Image:
    """A sheet with digits: the name of each, its upper left corner, and its scale."""
    picture = Image.new("RGB", (4 * size[0], 4 * size[1]), PAPER)
    pen = ImageDraw.Draw(picture)
    for name, corner, scale in digits:
        width = int(scale * 36)
        for stroke in STROKES[name]:
            points = [(4 * (corner[0] + scale * x), 4 * (corner[1] + scale * y)) for x, y in stroke]
            pen.line(points, fill=INK, width=width, joint="curve")
            for x, y in points:
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=INK)
    return picture.filter(ImageFilter.GaussianBlur(4)).resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    folder = Path(__file__).parents[1] / "src" / "mnistkit" / "imaging" / "samples"
    draw((320, 240), ("seven", (170, 40), 1.2)).save(folder / "seven.png")
    draw((240, 320), ("two", (30, 150), 1.3)).save(folder / "two.png")
    draw((300, 300), ("four", (60, 30), 1.1)).save(folder / "four.png")
    first = [("two", (50, 40), 0.7), ("four", (130, 36), 0.7), ("seven", (212, 42), 0.7)]
    second = [("seven", (48, 170), 0.7), ("four", (134, 166), 0.7)]
    draw((340, 280), *first, *second).save(folder / "numbers.png")


if __name__ == "__main__":
    main()
