import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from mnistkit.errors import ConfigError
from mnistkit.synthetic import PagePainter, draw_distractors
from mnistkit.synthetic.canvas import CHARACTERS, IGNORED, Canvas
from mnistkit.synthetic.fonts import HandFont, families, held_out
from mnistkit.synthetic.glyphs import Display, Glyph, Handwriting, Images, Pen
from mnistkit.synthetic.writer import label

# matplotlib's own fonts are there wherever the tests run.
FONTS = [font for family in families([Path(matplotlib.get_data_path())]).values() for font in family]


@pytest.fixture(scope="module")
def painter(mnist):
    return PagePainter(mnist.validation, FONTS[:6], FONTS[:3])


def printed(mnist, count, size=(256, 256), *, heights, **settings):
    """Pages of lines in one font."""
    painter = PagePainter(mnist.validation, FONTS[:1], **settings)
    painter.hand = lambda draw: (FONTS[0], True)
    return [painter.draw(np.random.default_rng(seed), size, heights=heights, kind="lines") for seed in range(count)]


@pytest.mark.parametrize("kind", PagePainter.kinds)
def test_a_page_has_its_characters_where_they_are_marked(kind, painter):
    for seed in range(3):
        page = painter.draw(np.random.default_rng(seed), (180, 240), kind=kind)
        assert page.kind == kind
        assert (page.picture.shape, page.picture.dtype) == ((180, 240), np.uint8)
        for mark in page.marks:
            left, top, right, bottom = mark.box
            assert 0 <= left < right <= 240
            assert 0 <= top < bottom <= 180
            assert mark.label == IGNORED or 0 <= mark.label < len(CHARACTERS)
        assert sum(map(len, page.lines)) == sum(0 <= mark.label < 10 for mark in page.marks)


def test_a_seed_decides_all(painter):
    first, again, other = (painter.draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first.picture, again.picture)
    assert first.marks == again.marks
    assert not np.array_equal(first.picture, other.picture)


def test_words_and_scribbles_are_no_digits(painter):
    for kind in ("prose", "empty"):
        page = painter.draw(np.random.default_rng(1), kind=kind)
        assert page.lines == ()
        assert all(mark.label == IGNORED for mark in page.marks)
    assert painter.draw(np.random.default_rng(1), kind="prose").others


@pytest.mark.parametrize("angle", [0, 12, -20])
def test_a_mark_is_the_box_of_its_ink(angle):
    canvas = Canvas(200, 200, angle)
    canvas.put(Glyph(np.full((40, 20), 255, np.uint8)), 10, -20, 40, label=3, line=2, group=1)
    (mark,) = canvas.marks
    rows, columns = np.nonzero(canvas.ink > 80)
    assert mark.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert (mark.label, mark.line, mark.group) == (3, 2, 1)
    assert (columns.mean(), rows.mean()) == pytest.approx(canvas.points([(20, 0)])[0] - 0.5, abs=0.6)


def test_what_is_cut_by_the_border_is_ignored_and_what_is_beyond_it_is_not_there():
    canvas = Canvas(100, 100)
    bar = Glyph(np.full((40, 20), 255, np.uint8))
    canvas.put(bar, 40, -20, 40, label=1)
    canvas.put(bar, 400, -20, 40, label=1)
    assert [mark.label for mark in canvas.marks] == [IGNORED]


def test_letters_are_no_marks():
    canvas = Canvas(100, 100)
    canvas.put(Pen(6).glyph("A", np.random.default_rng(0)), -20, -20, 40)
    assert canvas.marks == []
    assert len(canvas.others) == 1


def test_letters_that_a_sheet_cuts_off_are_not_there(mnist):
    painter = PagePainter(mnist.validation, FONTS)
    letters = 0
    for seed in range(60):
        page = painter.draw(np.random.default_rng(seed), (256, 256), heights=(20, 40), kind="lines")
        for left, top, right, bottom in np.array(page.others).reshape(-1, 4).astype(int):
            ink = page.picture[top:bottom, left:right].astype(float)
            letters += 1
            assert ink.std() > 1.2, f"seed {seed}: nothing at {left, top}"
    assert letters > 200


@pytest.mark.parametrize("character", "07-.,%AgOx#$=/:&@+?")
def test_every_hand_forms_every_character(character, mnist):
    generator = np.random.default_rng(0)
    digits, font = Images(mnist.validation), FONTS[0]
    for hand in (
        Pen(2),
        Pen(15),
        Handwriting(digits, 9),
        Handwriting(digits, -3),
        Handwriting(digits, 0, HandFont(font)),
        HandFont(font, 9),
        HandFont(font, -7),
        font,
    ):
        glyph = hand.glyph(character, generator)
        assert glyph.pixels.max() > 100
        assert 0 < glyph.height < 2
    if not character.isalpha() and character != "%":
        assert Display(generator).glyph(character, generator).pixels.max() > 200


def test_a_hand_writes_no_character_twice_in_the_same_way():
    hand, generator = HandFont(FONTS[0]), np.random.default_rng(0)
    fives = [hand.glyph("5", generator) for _ in range(20)]
    assert len({five.pixels.tobytes() for five in fives}) == 20
    printed = FONTS[0].glyph("5", generator)
    assert np.mean([five.height for five in fives]) == pytest.approx(printed.height, rel=0.05)
    ink = [
        np.mean([(HandFont(FONTS[0], stroke).glyph("5", generator).pixels > 100).mean() for _ in range(20)])
        for stroke in (-5, 0, 9)
    ]
    assert ink[0] < ink[1] < ink[2]


def test_another_hand_writes_some_of_the_digits(mnist):
    digits, generator = Images(mnist.validation), np.random.default_rng(0)

    class Dash:
        def glyph(self, character, generator):
            return Glyph(np.full((2, 9), 255, np.uint8))

    def dashes(share):
        hand = Handwriting(digits, 0, Dash(), share)
        return sum(hand.glyph("4", generator).pixels.shape == (2, 9) for _ in range(200))

    assert dashes(0.0) == 0
    assert 60 < dashes(0.5) < 140
    assert Handwriting(digits, 0, Dash()).glyph("A", generator).pixels.shape == (2, 9)


def test_each_digit_of_a_display_is_another_pattern():
    display = Display(np.random.default_rng(3))
    shown = {display.glyph(digit, np.random.default_rng(0)).pixels.tobytes() for digit in "0123456789"}
    assert len(shown) == 10


def test_fonts_are_found_by_family_in_folders_and_below_them(tmp_path):
    (tmp_path / "below").mkdir()
    serif = next(Path(font.path) for font in FONTS if font.family == "DejaVu Serif")
    (tmp_path / "below" / "one.ttf").write_bytes(serif.read_bytes())
    with TTFont(serif) as font:
        font.flavor = "woff"
        font.save(tmp_path / "two.woff")
    (tmp_path / "broken.otf").write_bytes(b"no font")
    (tmp_path / "text.txt").write_text("no font either")
    found = families([tmp_path])
    assert {name: sorted(Path(font.path).name for font in fonts) for name, fonts in found.items()} == {
        "DejaVu Serif": ["one.ttf", "two.woff"]
    }
    assert families([]) == {}
    assert "DejaVu Serif" in families()


def test_fonts_are_held_out_by_family():
    names = [f"Family {number}" for number in range(600)]
    assert 60 < sum(map(held_out, names)) < 140
    assert [held_out(name) for name in names] == [held_out(name) for name in names]


def test_one_writes_with_digits_only(mnist):
    with pytest.raises(ConfigError, match="expected 1x28x28 images of the ten digits"):
        PagePainter(draw_distractors(7, mnist.train))
    with pytest.raises(ConfigError, match="it has no image of 8, 9"):
        PagePainter(mnist.validation.only(*range(8)))
    with pytest.raises(ConfigError, match=r"narrowed is 1\.5, expected a share"):
        PagePainter(mnist.validation, narrowed=1.5)
    with pytest.raises(ConfigError, match=r"labelled is -0\.1, expected a share of the words"):
        PagePainter(mnist.validation, labelled=-0.1)


def test_print_may_be_narrower_than_its_font(mnist):
    def proportions(narrowed):
        wide = []
        for page in printed(mnist, 20, heights=(20, 40), narrowed=narrowed):
            boxes = np.array([mark.box for mark in page.marks if mark.label == 8]).reshape(-1, 4)
            wide.extend(((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])).tolist())
        return np.array(wide)

    usual, narrowed = proportions(0.0), proportions(1.0)
    assert narrowed.min() < 0.7 * usual.min()
    assert narrowed.mean() < usual.mean()


def test_words_may_be_labels_with_lower_digits(mnist):
    def behind_letters(labelled):
        """How high digits are beside the letter that they stand behind, where any do."""
        ratios = []
        for page in printed(mnist, 40, (240, 320), heights=(18, 22), labelled=labelled):
            for _, top, right, bottom in page.others:
                ratios += [
                    (mark.box[3] - mark.box[1]) / (bottom - top)
                    for mark in page.marks
                    if 0 <= mark.label < 10 and 0 <= mark.box[0] - right < 6 and top < mark.box[3] < bottom + 6
                ]
        return np.array(ratios)

    labels = behind_letters(1.0)
    assert len(labels) > 5 * len(behind_letters(0.0))
    assert labels.min() < 0.7 < 0.9 < labels.max()


def test_a_label_has_letters_and_digits_and_nothing_between():
    draw = np.random.default_rng(0)
    for _ in range(100):
        assert re.fullmatch(r"[A-Za-z]{1,3}\d{1,3}|\d{1,3}[a-z]{1,3}", label(draw))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "tabel"}, "unknown kind of page 'tabel'; did you mean 'table'"),
        ({"size": (0, 64)}, "a page of 0x64 pixels.*sides of at least 1 pixel"),
        ({"heights": (0, 20)}, "digits of 0 to 20.*from a least above 0 to a greatest"),
        ({"heights": (30, 20)}, "digits of 30 to 20"),
    ],
)
def test_a_page_that_cannot_be_drawn_is_refused(painter, settings, says):
    with pytest.raises(ConfigError, match=says):
        painter.draw(np.random.default_rng(0), **settings)
