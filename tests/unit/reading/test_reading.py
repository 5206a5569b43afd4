import dataclasses
import functools
import json
import sys
from decimal import Decimal

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import findfont

from mnistkit import Classifier, Predictor, create_model
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError, ImageError, MissingExtraError
from mnistkit.evaluation.readings import edit_distance
from mnistkit.reading import Prediction, ReadDigit, Reading, ReadSign
from mnistkit.reading.ink import contrast, goes_on
from mnistkit.reading.page import read_page
from mnistkit.reading.pretrained import columns, maps
from mnistkit.reading.reading import numbers_in
from mnistkit.synthetic.letter_styles import LETTERS


@pytest.fixture(scope="module")
def reader():
    return Predictor(device="cpu")


def cut_out(digit):
    rows, columns = digit.any(axis=1).nonzero()[0], digit.any(axis=0).nonzero()[0]
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def row(digits, gaps):
    """Digits beside each other, ``gaps`` pixels apart; below 0 they overlap."""
    digits = [cut_out(digit) for digit in digits]
    ink = np.zeros((32, sum(digit.shape[1] for digit in digits) + sum(gaps)), np.uint8)
    left = 0
    for digit, gap in zip(digits, [*gaps, 0], strict=True):
        top = (32 - digit.shape[0]) // 2
        place = ink[top : top + digit.shape[0], left : left + digit.shape[1]]
        np.maximum(place, digit, out=place)
        left += digit.shape[1] + gap
    return ink


def paper(ink):
    """Dark on grey, three times as large, with a margin."""
    large = cv2.resize(np.pad(ink, 20), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    return (225 - 0.75 * large).astype(np.uint8)


def spaced(digits, generator):
    return paper(row(digits, generator.integers(4, 12, len(digits) - 1).tolist()))


def as_they_are(digits, generator):
    """White on black, in MNIST's own size."""
    return np.pad(row(digits, generator.integers(4, 12, len(digits) - 1).tolist()), 10)


def touching(digits, generator):
    return paper(row(digits, (-generator.integers(1, 4, len(digits) - 1)).tolist()))


def pair_touching(digits, generator):
    return paper(row(digits, [6, -int(generator.integers(1, 4)), 6, 6]))


def tilted(digits, generator):
    flat = np.pad(spaced(digits, generator), 40, constant_values=225)
    height, width = flat.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(generator.uniform(-6, 6)), 1)
    return cv2.warpAffine(flat, turn, (width, height), borderValue=225)


def broken(digits, generator):
    """Two rows of pixels are missing from the middle of the third digit."""
    damaged = digits.copy()
    rows = damaged[2].any(axis=1).nonzero()[0]
    damaged[2, (rows[0] + rows[-1]) // 2 :][:2] = 0
    return spaced(damaged, generator)


def two_lines(digits, generator):
    upper, lower = row(digits[:3], [6, 8]), row(digits[3:], [7])
    width = max(upper.shape[1], lower.shape[1])
    lines = [np.pad(line, ((0, 10), (0, width - line.shape[1]))) for line in (upper, lower)]
    return paper(np.concatenate(lines))


def strings(mnist, make, count, length=5):
    """Pictures of validation digits, five each, and what they say."""
    generator = np.random.default_rng(0)
    images, labels = mnist.validation.images[:, 0].numpy(), mnist.validation.labels.numpy()
    for _ in range(count):
        chosen = generator.integers(0, len(images), length)
        yield make(images[chosen], generator), "".join(map(str, labels[chosen]))


# How many strings, and how many of them are read at least.
LEAST = {
    spaced: (20, 16),
    as_they_are: (20, 15),
    two_lines: (20, 17),
    tilted: (20, 17),
    pair_touching: (20, 14),
    broken: (20, 13),
    touching: (40, 24),
}


@pytest.fixture(scope="module")
def readings(reader, mnist):
    """By how they were made, what is read in the strings and what they say."""
    return functools.cache(
        lambda make: [(reader.read(picture), text) for picture, text in strings(mnist, make, LEAST[make][0])]
    )


@pytest.mark.parametrize("make", LEAST, ids=lambda make: make.__name__)
def test_whole_strings_are_read(make, readings):
    assert sum(reading.text == text for reading, text in readings(make)) >= LEAST[make][1]


def test_lines_are_told_apart(readings):
    pairs = readings(two_lines)
    assert sum(reading.lines == (text[:3], text[3:]) for reading, text in pairs) >= 17
    reading = next(reading for reading, text in pairs if reading.text == text)
    assert str(reading) == "\n".join(reading.lines)
    assert [digit.line for digit in reading.digits] == [0, 0, 0, 1, 1]


def test_the_boxes_are_those_of_the_digits(reader, mnist):
    digits = np.stack([mnist.validation.only(digit).images[0, 0].numpy() for digit in (7, 4, 2)])
    picture = paper(row(digits, [8, 8]))
    reading = reader.read(picture)
    assert reading.text == "742"
    left = 60.0
    for digit, image in zip(reading.digits, digits, strict=True):
        height, width = (3 * side for side in cut_out(image).shape)
        top = 60 + 3 * ((96 - height) // 6)
        assert digit.box == pytest.approx((left, top, left + width, top + height), abs=7)
        left += width + 24
        assert digit.confidence == digit.prediction.confidence > 0.9
        assert digit.prediction.frame.shape == (28, 28)
    assert np.array_equal(reading.picture, picture)
    assert reading.scale == 1.0


@pytest.mark.parametrize("format", [None, "PNG", "JPEG"])
def test_the_boxes_of_a_large_picture_are_in_its_own_pixels(format, reader, mnist, tmp_path):
    _, (picture, text) = strings(mnist, spaced, 2)
    small = reader.read(picture)
    factor = 3500 // picture.shape[1]
    enlarged = PIL.Image.fromarray(np.kron(picture, np.ones((factor, factor), np.uint8)))
    if format is not None:
        enlarged.save(tmp_path / "large", format)
    # A JPEG is not decoded as large as it is.
    large = reader.read(enlarged if format is None else tmp_path / "large")
    assert small.text == large.text == text
    assert max(large.picture.shape) == 1600
    assert large.scale == pytest.approx(factor * picture.shape[1] / 1600, rel=1e-3)
    for one, other in zip(small.digits, large.digits, strict=True):
        assert np.array(other.box) / factor == pytest.approx(np.array(one.box), abs=4)


def test_a_scribble_between_digits_leaves_them(reader, mnist):
    read = 0
    for seed in range(16):
        draw = np.random.default_rng(seed)
        labels = draw.integers(0, 10, 2)
        digits = np.stack([mnist.validation.only(int(label)).images[seed, 0].numpy() for label in labels])
        ink = row(digits, [60])
        cv2.polylines(ink, [draw.integers((30, 4), (70, 28), (25, 2)).astype(np.int32)], False, 255, 1)
        text = reader.read(paper(ink)).text
        read += len(text) > 1 and text[0] + text[-1] == "".join(map(str, labels))
    assert read >= 11


@pytest.mark.parametrize("size", [58, 66])
def test_a_rule_between_columns_is_no_one(reader, size):
    picture = PIL.Image.new("L", (420, 260), 255)
    pen, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.truetype(findfont("DejaVu Sans"), size)
    for y in (32, 130, 229):
        pen.line([(32, y), (390, y)], fill=0, width=4)
    for x in (32, 212, 390):
        pen.line([(x, 32), (x, 229)], fill=0, width=4)
    for text, x, y in (("12", 86, 98), ("34", 265, 98), ("56", 86, 198), ("78", 265, 198)):
        pen.text((x, y), text, font=font, fill=0, anchor="ls")
    assert reader.read(picture).lines == ("12 34", "56 78")


def test_a_one_that_is_a_thick_bar_is_read(reader):
    page = np.full((120, 420), 255, np.uint8)
    for number, digit in enumerate("2357"):
        cv2.putText(page, digit, (100 + 80 * number, 85), cv2.FONT_HERSHEY_SIMPLEX, 2, 0, 5, cv2.LINE_AA)
    page[40:86, 40:47] = 0
    assert reader.read(page).text == "12357"


def test_a_thin_stroke_in_a_large_box_has_its_full_contrast():
    page = np.full((300, 200), 230, np.uint8)
    page[20:280, 100] = 30
    assert contrast(page, (20, 20, 60, 280)) == 0
    assert contrast(page, (80, 20, 120, 280)) == 200


def test_what_holds_no_digit_gives_an_empty_reading(reader):
    picture = np.full((200, 300), 230, np.uint8)
    for stroke in LETTERS["E"]:
        points = np.array(stroke.points) * (0.8, 1) + (80, 50)
        cv2.polylines(picture, [points.astype(np.int32)], False, 30, 7, cv2.LINE_AA)
    reading = reader.read(picture)
    assert (reading.text, reading.lines, reading.digits, str(reading)) == ("", (), (), "")
    assert reading.figure().axes[0].get_title() == "no digits"


def printed(text, name="DejaVu Sans"):
    lines = text.splitlines()
    picture = PIL.Image.new("L", (420, 46 + 52 * len(lines)), 240)
    pen, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.truetype(findfont(name), 44)
    pen.multiline_text((30, 20), text, font=font, fill=30)
    return picture


def test_words_that_look_like_numbers_upside_down_are_not_turned(reader):
    reading = reader.read(printed("ELSE HELLO\nHOLES OIL\nGELB BOGEL"))
    assert (reading.turned, reading.text) == (0, "")


def test_words_are_no_numbers(reader):
    def read(text, name):
        return reader.read(printed(text, name)).text.replace(" ", "").replace("\n", "")

    named = ("Room 412", "Hello 73", "Invoice 2041", "Total 15", "Page 250", "Order 986", "Street 7", "Building 36")
    right = {
        (text, name): read(text, name) == text.split()[1] for text in named for name in ("DejaVu Sans", "DejaVu Serif")
    }
    # Words of letters that all look like digits are still read as such.
    assert sum(right.values()) >= 12, right
    assert read("10 56\n281", "DejaVu Sans") == "1056281"


@pytest.mark.parametrize("blank", [np.full((60, 60), 230, np.uint8), np.zeros((5, 900), np.uint8)])
def test_blank_paper_is_an_empty_reading(blank, reader):
    reading = reader.read(blank)
    assert (reading.text, reading.lines, reading.numbers, reading.table.rows) == ("", (), (), 0)


def three_lines(digits, generator):
    """Twelve digits: so many have a direction."""
    lines = [row(digits[place : place + 4], [7, 9, 6]) for place in (0, 4, 8)]
    width = max(line.shape[1] for line in lines)
    return paper(np.concatenate([np.pad(line, ((0, 10), (0, width - line.shape[1]))) for line in lines]))


@pytest.fixture(scope="module")
def pages(reader, mnist):
    """Three of twelve digits, and what is read on them."""
    pictures = [picture for picture, _ in strings(mnist, three_lines, 3, length=12)]
    return pictures, [reader.read(picture) for picture in pictures]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_on_its_side_is_turned(quarters, reader, pages):
    pictures, upright = pages
    readings = [reader.read(np.rot90(picture, -quarters)) for picture in pictures]
    same = [
        one.lines == other.lines and other.turned == 90 * quarters for one, other in zip(upright, readings, strict=True)
    ]
    # Upside down, one of them has two digits in one.
    assert sum(same) >= 2
    # The boxes are those of the picture as it was given.
    number = same.index(True)
    picture = pictures[number]
    for one, other in zip(upright[number].digits, readings[number].digits, strict=True):
        left, top, right, bottom = (round(edge) for edge in one.box)
        x0, y0, x1, y1 = (round(edge) for edge in other.box)
        back = np.zeros_like(picture)
        np.rot90(back, -quarters)[y0:y1, x0:x1] = 1
        both = back[top:bottom, left:right].sum()
        assert both > 0.6 * max(int(back.sum()), (bottom - top) * (right - left))


def test_grain_is_not_looked_at_in_every_direction_and_enlarged(reader, mnist):
    *_, (picture, number) = strings(mnist, spaced, 2)
    top, left = (480 - picture.shape[0]) // 2, (640 - picture.shape[1]) // 2
    page = np.full((480, 640), 225, np.uint8)
    page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    light = np.linspace(0.6, 1, page.shape[1])
    page = (page * light + np.random.default_rng(0).normal(0, 6, page.shape)).clip(0, 255).astype(np.uint8)
    looks = []

    def look(pages):
        looks.append(pages.shape)
        return maps(pages)

    assert read_page(page, 1.0, reader.classifier, look, columns).text == number
    # Three copies of it and of a glance at it on its side, and a part of each enlarged.
    assert len(looks) <= 8


@pytest.fixture(scope="module")
def screenshot():
    """A list in print of 14 pixels: its digits are 10 high, a ninetieth of the picture; and its digits."""
    names = ("Anna", "Robert", "Carla", "Frederick", "Eva", "Marianne")
    numbers = ("+62 952 9558741", "+56 672 4726064", "1342.88", "21477", "77 1809.49", "+30 982 2141985")
    picture = PIL.Image.new("L", (900, 700), 255)
    pen, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.truetype(findfont("DejaVu Sans"), 14)
    for line, (name, number) in enumerate(zip(names, numbers, strict=True)):
        pen.text((30, 30 + 24 * line), name, 30, font)
        pen.text((170, 30 + 24 * line), number, 30, font)
    return np.array(picture), "".join(filter(str.isdigit, "".join(numbers)))


@pytest.mark.parametrize("enlarged", [1, 2])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_small_print_is_read_in_every_direction(quarters, enlarged, reader, screenshot):
    picture, digits = screenshot
    picture = cv2.resize(picture, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
    reading = reader.read(np.rot90(picture, -quarters))
    assert reading.turned == 90 * quarters
    assert "".join(str(digit.prediction.label) for digit in reading.digits) == digits


@pytest.mark.parametrize("degrees", [0, 3.5])
def test_nearly_all_numbers_in_small_print_are_read_and_its_words_are_not(degrees, reader):
    """The spaces of this print are four or five pixels wide, a third of a digit's height."""
    sentences = (
        "On 26 May 1967 there were 134 ships, 61 of them old.",
        "House 12 was left in 1908, and bill 4715 came after.",
        "Sally got 35 pages, line 240, on the 7th of 1994.",
        "All together 88 people from 573 small towns.",
    )
    picture = PIL.Image.new("L", (900, 700), 255)
    pen, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.truetype(findfont("cmr10"), 18)
    for line, sentence in enumerate(sentences):
        pen.text((30, 60 + 40 * line), sentence, 30, font)
    reading = reader.read(picture.rotate(degrees, PIL.Image.Resampling.BICUBIC, fillcolor=255))
    told = "".join(str(digit.prediction.label) for digit in reading.digits)
    # One number of two digits may be taken for a word.
    assert edit_distance(told, "".join(filter(str.isdigit, "".join(sentences)))) <= 3


def test_the_grain_of_cloth_is_no_small_print(reader, mnist):
    """Threads are as low as small print, and there are thousands."""
    generator = np.random.default_rng(0)
    picture = spaced(mnist.validation.only(3).images[:5, 0].numpy(), generator)
    cloth = cv2.resize(generator.integers(-40, 40, (350, 500)).astype(np.float32), (1000, 700))
    cloth[250 : 250 + picture.shape[0], 200 : 200 + picture.shape[1]] -= 230 - picture.astype(np.float32)
    reading = reader.read((215 + cloth).clip(0, 255).astype(np.uint8))
    assert (reading.turned, reading.text.replace(" ", "")) == (0, "33333")


def test_digits_in_a_ruled_table_are_read_and_its_empty_cells_known(reader, mnist):
    digits = np.stack([mnist.validation.only(digit).images[0, 0].numpy() for digit in (7, 4, 2, 3)])
    picture = np.full((300, 300), 230, np.uint8)
    for edge in (10, 100, 190, 280):
        picture[edge : edge + 3, 10:283] = picture[10:283, edge : edge + 3] = 60
    for digit, (row_of, column) in zip(digits, [(0, 0), (0, 2), (1, 1), (2, 2)], strict=True):
        top, left = 27 + 90 * row_of, 27 + 90 * column
        place = picture[top : top + 56, left : left + 56]
        np.minimum(place, 230 - (0.75 * cv2.resize(digit, (56, 56))).astype(np.uint8), out=place)
    reading = reader.read(picture)
    assert reading.table.cells == (("7", "", "4"), ("", "2", ""), ("", "", "3"))


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_the_table_of_a_page_is_that_of_the_page_as_it_was_read(turned):
    names = ("0", "1", "2")
    label = [Prediction(n, names[n], 0.9, (0.1, 0.1, 0.8), np.zeros((28, 28), np.uint8), names) for n in range(3)]
    upright = np.full((130, 220), 235, np.uint8)
    upright[10:121:50, 10:211] = upright[10:111, 10:211:50] = 60
    characters = []
    # 0 and 1 in the first row's first and last cells, 2 in the second row's third.
    for digit, (left, top) in zip(label, [(28, 22), (178, 22), (128, 72)], strict=True):
        points = np.array([(left, top), (left + 14, top + 24)], float)
        # By so many quarters clockwise the page lies, and the boxes are told as it lies.
        sides = upright.shape[::-1]
        for quarter in range(turned // 90):
            points = np.stack([sides[1 - quarter % 2] - points[:, 1], points[:, 0]], axis=1)
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        characters.append(ReadDigit(digit, (x0, y0, x1, y1), int(top > 50), 0))
    reading = Reading(tuple(characters), np.ascontiguousarray(np.rot90(upright, -(turned // 90))), turned=turned)
    assert reading.table.cells == (("0", "", "", "1"), ("", "", "2", ""))


def test_a_digit_between_rules_is_no_part_of_them():
    page = np.full((200, 200), 235, np.uint8)
    cv2.polylines(page, [np.array([(90, 62), (102, 62), (93, 98)])], False, 60, 2)
    page[:, 84:86] = page[:, 108:110] = 60
    assert not goes_on(page, (89, 61, 104, 100))
    # A rule that lies is above it and below it, and no stroke of it goes on there.
    page[50:53] = page[108:111] = 60
    assert not goes_on(page, (89, 61, 104, 100))
    assert goes_on(page, (82, 61, 88, 100))


@pytest.mark.parametrize("apart", [0, 14])
def test_the_boxes_of_a_form_are_no_digits_and_no_letters(apart, reader, mnist):
    label = [6, 1, 0, 5, 7, 8, 3]
    page = np.full((160, 60 + 7 * (80 + apart)), 255, np.uint8)
    for place, digit in enumerate(label):
        left = 30 + place * (80 + apart)
        cv2.rectangle(page, (left, 40), (left + 80, 120), 20, 2)
        # The digit alone, 56 pixels high.
        ink = cv2.resize(mnist.validation.only(digit).images[3, 0].numpy(), (78, 78), interpolation=cv2.INTER_CUBIC)
        part = page[42:118, left + 2 : left + 78]
        np.minimum(part, 255 - ink[1:77, 1:77], out=part)
    assert reader.read(page).text == "".join(map(str, label))


def test_a_page_of_numbers_is_groups():
    prediction = Prediction(1, "1", 0.9, (0.1, 0.9), np.zeros((28, 28), np.uint8), ("0", "1"))
    box = (0.0, 0.0, 1.0, 1.0)
    characters = (
        ReadSign("-", box, 0, 0, 0.9),
        ReadDigit(prediction, box, 0, 0),
        ReadSign(".", box, 0, 0, 0.9),
        ReadDigit(prediction, box, 0, 0),
        ReadDigit(prediction, box, 0, 1),
        ReadDigit(prediction, box, 1, 0),
        ReadSign("%", box, 1, 0, 0.8),
    )
    reading = Reading(characters, np.zeros((4, 4), np.uint8))
    assert reading.groups == (("-1.1", "1"), ("1%",))
    assert reading.lines == ("-1.1 1", "1%")
    assert str(reading) == "-1.1 1\n1%"
    assert reading.text == "1111"
    assert reading.numbers == (Decimal("-1.1"), Decimal(1), Decimal(1))
    assert [sign.text for sign in reading.signs] == ["-", ".", "%"]
    assert json.loads(json.dumps(reading.to_json()))["numbers"] == ["-1.1", "1", "1"]


def test_a_page_is_a_table_of_its_characters():
    prediction = Prediction(1, "1", 0.9, (0.1, 0.9), np.zeros((28, 28), np.uint8), ("0", "1"))
    unsure = dataclasses.replace(prediction, rejected="it may be 1 or 0")
    characters = (
        ReadSign("-", (0.0, 2.0, 3.0, 4.0), 0, 0, 0.8),
        ReadDigit(prediction, (5.0, 1.0, 9.0, 6.0), 0, 0, 0.25),
        ReadDigit(unsure, (5.0, 11.0, 9.0, 16.0), 1, 0, 0.5),
    )
    table = Reading(characters, np.zeros((4, 4), np.uint8)).to_pandas()
    assert list(table["text"]) == ["-", "1", "?"]
    assert list(table["confidence"]) == [0.8, 0.9, 0.9]
    assert table["none"].isna().tolist() == [True, False, False]
    assert table["rejected"].tolist()[2] == "it may be 1 or 0"
    assert table[["line", "left", "bottom"]].to_numpy().tolist() == [[0, 0, 4], [0, 5, 6], [1, 5, 16]]
    empty = Reading((), np.zeros((4, 4), np.uint8)).to_pandas()
    assert (len(empty), list(empty)) == (0, list(table))


def test_a_digit_without_an_answer_is_said_and_in_no_number(reader, mnist):
    weak = [(reader.read(picture, coverage=0.5), reader.read(picture)) for picture, _ in strings(mnist, touching, 8)]
    kept = [digit for strict, _ in weak for digit in strict.digits if digit.prediction.rejected is None]
    refused = [digit for strict, _ in weak for digit in strict.digits if digit.prediction.rejected is not None]
    assert kept
    assert refused
    assert {digit.text for digit in refused} == {"?"}
    for strict, plain in weak:
        # Nothing is lost: every digit has its place, and what it most likely is.
        assert len(strict.text) == len(plain.text)
        assert [digit.box for digit in strict.digits] == [digit.box for digit in plain.digits]
        assert [digit.prediction.name for digit in strict.digits] == list(plain.text)
        assert len(strict.numbers) == sum("?" not in group for groups in strict.groups for group in groups)
    shown = refused[0].to_json()
    assert (shown["digit"], shown["rejected"]) == (refused[0].prediction.name, refused[0].prediction.rejected)


def test_a_higher_coverage_answers_more(reader, mnist):
    pictures = [picture for picture, _ in strings(mnist, touching, 8)]
    answered = [
        sum(
            digit.prediction.rejected is None
            for picture in pictures
            for digit in reader.read(picture, coverage=share).digits
        )
        for share in (0.5, 0.9, 0.999)
    ]
    assert answered == sorted(answered)
    assert answered[0] < answered[-1]


def test_coverage_needs_a_calibrated_model_and_a_share(reader, mnist):
    blank = np.full((60, 60), 230, np.uint8)
    assert reader.read(blank, coverage=0.98).text == ""
    with pytest.raises(ConfigError, match="coverage is 98, expected the share"):
        reader.read(blank, coverage=98)
    plain = Predictor(Classifier(create_model("lenet5"), mnist.train.preprocessing))
    with pytest.raises(ConfigError, match="does not know how sure it must be"):
        plain.read(blank, coverage=0.98)


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_numbers_are_read_however_they_are_written(whole, cents):
    wanted = Decimal(whole) + (Decimal(cents) / 100 if whole >= 0 else -Decimal(cents) / 100)
    assert list(numbers_in(f"{whole}.{cents:02d}")) == [wanted]
    assert list(numbers_in(f"{whole},{cents:02d}")) == [wanted]
    assert list(numbers_in(f"{whole:,}.{cents:02d}")) == [wanted]
    assert list(numbers_in(f"{whole:,}".replace(",", ".") + f",{cents:02d}")) == [wanted]
    assert list(numbers_in(f"{whole:,}%")) == [Decimal(whole)]


@pytest.mark.parametrize("text", ["", "-", "1.2.3,4.5", "%", ".,"])
def test_what_is_no_number_gives_none(text):
    assert list(numbers_in(text)) == []


@pytest.mark.parametrize("step", [2, 8])
def test_a_page_full_of_strokes_takes_bounded_work(step, reader):
    """Zigzags, combs and checkerboards hang together or fall into thousands of pieces."""
    picture = np.full((600, 600), 255, np.uint8)
    picture[::step] = picture[:, ::step] = 0
    assert len(reader.read(picture).digits) <= 6000


def test_what_is_no_picture_is_refused(reader, tmp_path):
    with pytest.raises(ImageError, match=f"there is no image file {tmp_path / 'no.png'}"):
        reader.read(tmp_path / "no.png")


def test_a_model_of_whole_pictures_cannot_look_for_digits():
    model = Predictor(Classifier(create_model("mlp"), Preprocessing((0.1,), (0.3,), framing="resize")))
    with pytest.raises(
        ConfigError, match=r"^this model reads whole pictures \(framing 'resize'\); .*on MNIST's frames$"
    ):
        model.read(np.zeros((28, 28), np.uint8))


def test_the_figure_has_a_box_round_every_digit(reader, mnist):
    (picture, _), *_ = strings(mnist, two_lines, 1)
    reading = reader.read(picture)
    figure = reading.figure()
    (axes,) = figure.axes
    assert axes.get_title() == " / ".join(reading.lines)
    assert len(axes.patches) == len(axes.texts) == len(reading.digits)
    for patch, label, digit in zip(axes.patches, axes.texts, reading.digits, strict=True):
        left, top, right, bottom = digit.box
        assert patch.get_bbox().bounds == pytest.approx((left, top, right - left, bottom - top))
        assert label.get_text().startswith(digit.prediction.name)
        # What is not sure is drawn otherwise, and says how sure it is.
        assert ("%" in label.get_text()) == (digit.confidence < 0.9) == (patch.get_linestyle() == "--")
    figure.canvas.draw()


def test_the_figure_has_the_themes_colours(reader, mnist):
    reading = reader.read(next(strings(mnist, spaced, 1))[0])
    papers = [reading.figure(theme=theme).get_facecolor() for theme in ("light", "dark")]
    assert papers[0][:3] == (1, 1, 1)
    assert max(papers[1][:3]) < 0.2
    with pytest.raises(ConfigError, match="unknown theme 'pink'"):
        reading.figure(theme="pink")


def test_a_page_of_many_lines_has_a_short_title():
    prediction = Prediction(1, "1", 0.9, (0.1, 0.9), np.zeros((28, 28), np.uint8), ("0", "1"))
    digits = tuple(ReadDigit(prediction, (0.0, 9.0 * line, 5.0, 9.0 * line + 7), line) for line in range(40))
    assert Reading(digits, np.zeros((400, 40), np.uint8)).figure().axes[0].get_title() == "40 digits in 40 lines"


def test_without_matplotlib_the_pip_line_is_said(reader, mnist, monkeypatch):
    (picture, _), *_ = strings(mnist, spaced, 1)
    reading = reader.read(picture)
    monkeypatch.setitem(sys.modules, "matplotlib.patches", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        MissingExtraError, match=r"^Reading.figure\(\) needs matplotlib, .*pip install 'mnistkit\[plot\]'"
    ):
        reading.figure()


def test_the_representation_leaves_out_the_pixels(reader, mnist):
    (picture, _), *_ = strings(mnist, spaced, 1)
    assert "array" not in repr(reader.read(picture))
