"""Displays of seven segments are read from their bars."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from mnistkit import Predictor, load_mnist
from mnistkit.reading.display import read_displays
from mnistkit.synthetic.canvas import Canvas
from mnistkit.synthetic.glyphs import Display
from mnistkit.synthetic.writer import Writer

# From corner to corner of a cell of 1 x 2, from the top clockwise, and the middle.
PLACES = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 1)),
    "c": ((1, 1), (1, 2)),
    "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)),
    "f": ((0, 0), (0, 1)),
    "g": ((0, 1), (1, 1)),
}
LIT = {"0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc"}
LIT |= {"8": "abcdefg", "9": "abcdfg", "-": "g"}
MORE = {"6": "fgedc", "7": "fabc", "9": "abcfg"}


def display(text, *, gap=9, thick=10, lean=0.0, ghosts=0, lit=LIT):
    """Ink as on a meter: bars of 50 pixels, 90 from digit to digit."""
    page = np.zeros((180, 90 * len(text) + 60), np.uint8)
    left = -40
    for character in text:
        if character == ".":
            cv2.circle(page, (left + 70, 140), 6, 255, cv2.FILLED)
            continue
        left += 90
        for strength, names in ((ghosts, PLACES), (255, lit[character])):
            for name in names:
                (x0, y0), (x1, y1) = (np.array(place) * 50.0 for place in PLACES[name])
                along = np.sign([x1 - x0, y1 - y0]) * gap
                start, end = np.array([x0, y0]) + along, np.array([x1, y1]) - along
                points = [(left + x - lean * y, 40 + y) for x, y in (start, end)]
                across = thick / 2 * np.array([1, 0] if x0 == x1 else [0, 1])
                shape = [points[0] - across, points[1] - across, points[1] + across, points[0] + across]
                cv2.fillPoly(page, [np.rint(np.array(shape) * 8).astype(np.int32)], strength, cv2.LINE_AA, 3)
    return page


def text(ink):
    return "".join(one.text for one in sorted(read_displays(ink), key=lambda one: one.box[0] + one.box[2]))


@pytest.mark.parametrize("number", ["0123456789", "-27", "10", "41.5"])
@pytest.mark.parametrize("style", [{}, {"lean": 0.15}, {"gap": 0, "thick": 14}, {"gap": 5}, {"ghosts": 70}], ids=str)
def test_what_a_display_shows_is_read(number, style):
    assert text(display(number, **style)) == number


def test_digits_that_some_displays_light_otherwise():
    assert text(display("16790", lit=LIT | MORE)) == "16790"


def test_each_character_has_its_box():
    ink = display("8.8")
    first, point, last = sorted(read_displays(ink), key=lambda one: one.box[0])
    assert np.abs(np.subtract(first.box, (45, 35, 105, 145))).max() <= 2
    assert np.abs(np.subtract(last.box, (135, 35, 195, 145))).max() <= 2
    assert np.abs(np.subtract(point.box, (114, 134, 127, 147))).max() <= 2


def test_a_point_close_before_a_one_is_no_part_of_its_box():
    ink = display("712")
    cv2.circle(ink, (165, 140), 6, 255, cv2.FILLED)  # where a 1 has no bars
    assert text(ink) == "7.12"
    point, one = (next(shown for shown in read_displays(ink) if shown.text == character) for character in ".1")
    assert one.box[0] >= point.box[2] - 1


def test_a_point_of_few_pixels_is_a_point():
    ink = display("7.2")
    ink[:, 107:130] = 0  # the usual point
    ink[137:143, 111:117] = 255 * np.array(
        [[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0], [1] * 6, [1] * 6, [0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0]]
    )
    assert text(ink) == "7.2"


def test_bars_that_make_no_digits_are_no_display():
    letters = LIT | {"E": "adefg", "H": "bcefg", "L": "def", "F": "aefg"}
    assert text(display("HELF", lit=letters)) == ""
    # One that cannot be read among many is left out.
    assert text(display("1234567H", lit=letters)) == "1234567"


def test_rules_boxes_and_a_single_digit_are_no_display():
    table = np.zeros((300, 300), np.uint8)
    table[20:281:65] = table[:, 20:281:65] = 255
    boxes = np.zeros((80, 300), np.uint8)
    for left in range(20, 260, 60):
        cv2.rectangle(boxes, (left, 20), (left + 40, 60), 255, 6)
    assert [text(ink) for ink in (table, boxes, display("5"), np.zeros((40, 40), np.uint8))] == [""] * 4


@pytest.mark.parametrize("digits", [(4450, 5381, 5177, 3432), (1741, 3242, 3934, 271)])
def test_a_sheet_of_paper_is_no_display(digits):
    # The paper between and around these digits could be cut into bars as thick as its margin.
    sheet = np.zeros((420, 600), np.uint8)
    sheet[163:257, 203:397] = 230
    images = load_mnist().test.images[:, 0].numpy()
    for place, number in enumerate(digits):
        digit = cv2.resize(images[number], (56, 56), interpolation=cv2.INTER_CUBIC)
        left = 218 + 38 * place
        part = sheet[182:238, left : left + 56]
        np.minimum(part, 230 - (0.9 * digit).astype(np.uint8), out=part)
    assert text(sheet) == ""


@pytest.mark.parametrize("digits", [(7328, 4188, 1909, 9151), (3183, 7444, 9, 2541)])
def test_ones_whose_cells_would_overlap_are_paper_between_digits(digits):
    sheet = np.zeros((700, 1000), np.uint8)
    sheet[236:464, 290:710] = 230
    images, left = load_mnist().test.images[:, 0].numpy(), 350
    for number in digits:
        digit = cv2.resize(images[number], (122, 122), interpolation=cv2.INTER_CUBIC)
        columns = np.flatnonzero(digit.max(axis=0) > 60)
        digit = digit[:, columns[0] : columns[-1] + 1][:, : 700 - left]
        part = sheet[284:406, left : left + digit.shape[1]]
        np.minimum(part, 230 - (0.9 * digit).astype(np.uint8), out=part)
        left += digit.shape[1] + 18
    assert text(sheet) == ""


@pytest.mark.parametrize("style", [5, 71])
def test_what_is_left_of_an_upright_bar_belongs_to_its_digit(style):
    # The upper bars of the 9 are one piece, in which not all is straight.
    draw = np.random.default_rng(style)
    canvas = Canvas(500, 130)
    Writer(Display(draw), draw, 60.0, spacing=0.25, unsteady=0.0).write(canvas, "29051", -210, 0)
    assert text(canvas.ink) == "29051"


def test_a_level_display_is_read_though_the_ends_of_its_bars_are_uneven():
    ink = display("225", gap=5)
    for left in (50, 140, 230):
        for top in (40, 90, 140):
            # A corner of each lying bar is missing, so that all seem to rise.
            ink[top - 5 : top - 1, left + 5 : left + 20] = 0
            ink[top + 2 : top + 6, left + 30 : left + 46] = 0
    assert text(ink) == "225"


def test_a_page_with_a_display_is_read():
    for picture in (230 - display("2345") // 2, display("7042") // 2 + 20):
        assert Predictor().read(picture).text in {"2345", "7042"}
    reading = Predictor().read(230 - display("-41.5", gap=6) // 2)
    assert (reading.lines, [str(number) for number in reading.numbers]) == (("-41.5",), ["-41.5"])


def pointed(text, *, width, thickness, gap):
    """Ink of a display whose bars have pointed ends."""
    shape = Display(np.random.default_rng(0))
    shape.width, shape.thickness, shape.gap = width, thickness, gap
    shape.pointed, shape.short, shape.off = True, False, 0
    canvas = Canvas(1200, 160)
    Writer(shape, np.random.default_rng(0), 80.0, spacing=0.25, unsteady=0.0).write(canvas, text, -550, 0)
    return canvas.ink


@pytest.mark.parametrize("shape", [(0.42, 0.16, 0.05), (0.45, 0.19, 0.04), (0.6, 0.12, 0.04)], ids=str)
@pytest.mark.parametrize("number", ["0123456789", "-43.4", "991"])
def test_bars_no_longer_than_thick_are_bars_if_their_ends_are_pointed(shape, number):
    width, thickness, gap = shape
    assert text(pointed(number, width=width, thickness=thickness, gap=gap)) == number


def test_the_left_bars_of_a_cell_without_lying_ones_are_no_one():
    ink = display("8042")
    # Top and foot of the 0 are rows of dots.
    for column in range(150, 180, 10):
        ink[30:50, column : column + 2] = ink[130:150, column : column + 2] = 0
    assert text(ink) == "8042"


@pytest.mark.parametrize("number", ["-15.26", "64.816", "-529.13"])
def test_a_one_on_a_display_is_read_once(number):
    reading = Predictor().read(235 - display(number, gap=2, thick=8) // 255 * 215)
    assert reading.lines == (number,)


@pytest.mark.parametrize("number", ["-932.30", "05.604"])
def test_a_display_is_not_read_on_its_side(number):
    reading = Predictor().read(235 - display(number, gap=6, thick=5, ghosts=30) // 255 * 215)
    assert (reading.turned, reading.lines) == (0, (number,))


@pytest.mark.parametrize("size", range(40, 121, 8))
def test_a_printed_8_is_no_1_and_3(size):
    # Narrow, with straight sides: its strokes stand like bars, but the lying ones are longer than a cell is wide.
    page = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(page).text((size // 2, size // 4), "8", 255, font=ImageFont.load_default(size))
    assert not text(cv2.resize(np.array(page), None, fx=0.8, fy=1, interpolation=cv2.INTER_AREA))
