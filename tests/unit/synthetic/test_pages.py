import numpy as np
import pytest

from mnistkit.errors import ConfigError
from mnistkit.synthetic import PagePainter, draw_distractors
from mnistkit.synthetic.canvas import CHARACTERS, IGNORED, Canvas
from mnistkit.synthetic.fonts import families, held_out
from mnistkit.synthetic.glyphs import Display, Glyph, Handwriting, Images, Pen


@pytest.fixture(scope="module")
def painter(mnist):
    # matplotlib's own fonts are there wherever the tests run.
    fonts = [font for family in families(()).values() for font in family]
    return PagePainter(mnist.validation, fonts[:6])


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


@pytest.mark.parametrize("character", "07-.,%Ag")
def test_every_hand_forms_every_character(character, mnist):
    generator = np.random.default_rng(0)
    font = next(iter(families(()).values()))[0]
    for hand in (
        Pen(2),
        Pen(15),
        Handwriting(Images(mnist.validation), 9),
        Handwriting(Images(mnist.validation), -3),
        font,
    ):
        glyph = hand.glyph(character, generator)
        assert glyph.pixels.max() > 100
        assert 0 < glyph.height < 2
    if not character.isalpha() and character != "%":
        assert Display(generator).glyph(character, generator).pixels.max() > 200


def test_each_digit_of_a_display_is_another_pattern():
    display = Display(np.random.default_rng(3))
    shown = {display.glyph(digit, np.random.default_rng(0)).pixels.tobytes() for digit in "0123456789"}
    assert len(shown) == 10


def test_fonts_are_held_out_by_family():
    names = [f"Family {number}" for number in range(600)]
    assert 60 < sum(map(held_out, names)) < 140
    assert [held_out(name) for name in names] == [held_out(name) for name in names]


def test_one_writes_with_digits_only(mnist):
    with pytest.raises(ConfigError, match="expected 1x28x28 images of the ten digits"):
        PagePainter(draw_distractors(7, mnist.train))
    with pytest.raises(ConfigError, match="it has no image of 8, 9"):
        PagePainter(mnist.validation.only(*range(8)))


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
