"""What a line says, read whole, of the candidates on it."""

from dataclasses import replace

import numpy as np
import pytest

from mnistkit.reading.candidates import NO_SLOT, SLOTS, Candidates, joined
from mnistkit.reading.choosing import choose_apart
from mnistkit.reading.whole_lines import with_lines

PAGE = np.full((100, 400), 240, np.uint8)
# Digits are 20 pixels high: a strip's pixel is one of the page.
UNIT, BESIDE = 20, 44
NOTHING = 15


def candidates(*places, kinds=None, odds=2.0, letters=-2.0):
    """Digits, likely a 4, with their middles at these places of one line."""
    boxes = np.array([(x - 6, 40, x + 6, 60) for x in places], float)
    told = np.full((len(places), 10), -9.0)
    told[:, 4] = 0
    kinds = np.zeros(len(places), int) if kinds is None else np.array(kinds)
    odds = np.full(len(places), odds)
    frames = np.zeros((len(places), 1, 28, 28), np.uint8)
    return Candidates(
        boxes, kinds, odds, told + odds[:, None], np.full(len(places), letters), frames, np.full(len(places), NO_SLOT)
    )


def saying(text, *places, first, width=None):
    """A reader of lines that sees these characters at these places of the page, where the first candidate is at ``first``."""
    seen = []

    def columns(strips):
        seen.append(strips.shape)
        logits = np.full((len(strips), 16, strips.shape[2] // 2), -8.0, np.float32)
        logits[:, NOTHING] = 0
        for character, place in zip(text, places, strict=True):
            column = int((place - (first - 6 - BESIDE)) // 2)
            logits[:, NOTHING, column] = -8
            logits[:, "0123456789-.,%A".index(character), column] = 0
        return logits

    columns.seen = seen
    return columns


def test_what_a_line_sees_too_is_likelier_and_what_it_does_not_see_less_likely():
    three = candidates(100, 120, 140)
    said = with_lines(three, three, PAGE, saying("44", 100, 140, first=100))
    assert len(said) == 3
    assert said.odds[0] > 4
    assert said.odds[2] > 4
    assert said.odds[1] < 1
    assert said.letters[0] < three.letters[0]


def test_a_line_has_a_say_in_which_digit_it_is():
    two = candidates(100, 120)
    two.logits[0, 7] = two.logits[0, 4] - 1
    said = with_lines(two, two, PAGE, saying("74", 100, 120, first=100))
    assert said.logits.argmax(axis=1).tolist() == [7, 4]


def test_what_the_line_alone_sees_is_a_candidate_with_a_box():
    two = candidates(100, 140)
    said = with_lines(two, two, PAGE, saying("494", 100, 120, 140, first=100))
    assert len(said) == 3
    left, top, right, bottom = said.boxes[2]
    assert left < 120 < right
    assert left > 105
    assert right < 135
    assert (top, bottom) == pytest.approx((40, 60), abs=1)
    assert said.kinds[2] == 0
    assert said.logits[2].argmax() == 9
    assert said.odds[2] > 0


def test_a_low_digit_that_was_taken_for_a_letter_is_what_the_line_alone_sees():
    two = candidates(100, 140)
    low = replace(candidates(120, kinds=[5], letters=2.0), boxes=np.array([[114.0, 47, 126, 55]]))
    said = with_lines(joined([two, low]), two, PAGE, saying("404", 100, 120, 140, first=100))
    assert said.kinds.tolist() == [0, 0, 5, 0]
    assert said.logits[3].argmax() == 0
    assert said.odds[3] > 0


def test_signs_are_candidates_too_where_they_stand():
    two = candidates(100, 140)
    said = with_lines(two, two, PAGE, saying("4.4", 100, 120, 140, first=100))
    assert said.kinds.tolist() == [0, 0, 2]
    left, top, right, bottom = said.boxes[2]
    assert left < 120 < right
    assert 55 < top < bottom < 65


def test_letters_speak_for_letters():
    three = candidates(100, 120, 140)
    said = with_lines(three, three, PAGE, saying("AAA", 100, 120, 140, first=100))
    assert (said.letters > three.letters + 3).all()
    # A digit is less likely the more speaks for a letter, though that there is a character is likelier.
    digits = with_lines(three, three, PAGE, saying("444", 100, 120, 140, first=100))
    assert (said.odds < digits.odds - 4).all()


def test_two_characters_in_one_box_are_two():
    one = candidates(100)
    wide = Candidates(
        np.array([[88.0, 40, 116, 60]]), one.kinds, one.odds, one.logits, one.letters, one.frames, one.slots
    )
    columns = saying("44", 97, 107, first=94)
    said = with_lines(wide, wide, PAGE, columns)
    assert said.odds[0] < 1
    assert (said.odds[1:] > 0).sum() == 2


def test_a_box_with_one_character_near_its_end_is_that_character_and_no_second_one():
    narrow = candidates(92)
    wide = replace(narrow, boxes=np.array([[88.0, 40, 116, 60]]))
    both = joined([narrow, wide])
    said = with_lines(both, both, PAGE, saying("4", 92, first=92 + 2))
    assert len(said) == 2
    assert said.slots[0] == said.slots[1] != NO_SLOT


def test_boxes_that_overlap_are_two_digits_if_one_line_says_so_and_not_if_two_lines_saw_one():
    two = replace(candidates(100, 100), boxes=np.array([[90.0, 40, 106, 60], [94, 40, 110, 60]]))

    def chosen(*slots):
        return len(choose_apart(replace(two, slots=np.array(slots)), PAGE))

    assert (chosen(3, 4), chosen(3, 3), chosen(3, SLOTS + 4), chosen(3, NO_SLOT)) == (2, 1, 1, 1)


def test_digits_far_apart_are_read_apart_and_a_page_without_digits_is_not_read():
    two = candidates(100, 300)
    columns = saying("", first=100)
    with_lines(two, two, PAGE, columns)
    # As they are equally long, together.
    assert [shape[0] for shape in columns.seen] == [2]
    columns = saying("", first=100)
    word = candidates(100, 120, kinds=[2, 5], letters=5.0)
    assert with_lines(word, word, PAGE, columns) is word
    assert not columns.seen


def test_what_is_hardly_likelier_a_letter_than_a_digit_is_asked_about():
    doubtful = candidates(100, 120, 140, kinds=[5, 5, 5], letters=1.0)
    both = joined([doubtful, replace(doubtful, kinds=np.zeros(3, int), odds=np.full(3, -2.0))])
    none = both[:0]
    said = with_lines(both, none, PAGE, saying("444", 100, 120, 140, first=100))
    assert (said.odds[3:] > 3).all()
    said = with_lines(both, none, PAGE, saying("AAA", 100, 120, 140, first=100))
    assert (said.odds[3:] < -3).all()


def test_a_page_of_texture_is_read_in_part():
    page = np.zeros((3000, 3000), np.uint8)
    many = candidates(*range(20, 2980, 13))
    rows = [
        Candidates(
            many.boxes + np.array([0, 30 * row, 0, 30 * row]),
            many.kinds,
            many.odds,
            many.logits,
            many.letters,
            many.frames,
            many.slots,
        )
        for row in range(20)
    ]
    every = Candidates(*(np.concatenate(parts) for parts in zip(*(vars(row).values() for row in rows), strict=True)))
    columns = saying("", first=20)
    with_lines(every, every, page, columns)
    assert 0 < sum(shape[0] * shape[2] for shape in columns.seen) <= 10_000


def test_a_temperature_changes_no_answer():
    two = candidates(100, 120)
    two.logits[0, 7] = two.logits[0, 4] - 1
    warm = Candidates(two.boxes, two.kinds, two.odds, 2 * two.logits, two.letters, two.frames, two.slots)
    plain = with_lines(two, two, PAGE, saying("749", 100, 120, 134, first=100))
    said = with_lines(warm, warm, PAGE, saying("749", 100, 120, 134, first=100), 2.0)
    assert said.logits == pytest.approx(2 * plain.logits)
    assert said.odds == pytest.approx(plain.odds)


def test_a_clear_line_is_not_read_but_one_with_something_doubtful_beside_its_digits_is():
    clear = candidates(100, 140, odds=9.0)
    columns = saying("", first=100)
    assert len(with_lines(clear, clear, PAGE, columns)) == 2
    assert not columns.seen
    with_doubt = candidates(100, 140, 158, odds=9.0)
    with_doubt.odds[2] = -1.0
    with_lines(with_doubt, clear, PAGE, columns)
    assert len(columns.seen) == 1


def test_between_close_digits_one_may_hide_so_that_they_have_to_be_surer():
    close = candidates(100, 120, odds=9.0)
    columns = saying("414", 100, 110, 120, first=100)
    said = with_lines(close, close, PAGE, columns)
    assert len(columns.seen) == 1
    assert len(said) == 3


def test_a_lone_speck_that_may_be_a_letter_is_no_line():
    speck = replace(candidates(300, kinds=[5], letters=1.0), boxes=np.array([[298.0, 46, 302, 54]]))
    two, seen = candidates(100, 140, odds=20.0), saying("", first=300)
    assert with_lines(joined([two, speck]), two, PAGE, seen).odds.tolist() == [20, 20, 2]
    assert seen.seen == []
    # As high as the digits, it is asked about.
    letter = candidates(300, kinds=[5], letters=1.0)
    with_lines(joined([two, letter]), two, PAGE, seen)
    assert len(seen.seen) == 1


def test_a_line_that_is_not_clear_is_read_a_little_higher_and_lower_too():
    two, shapes = candidates(100, 120), []
    sure = saying("44", 100, 120, first=100)

    def columns(strips):
        shapes.append(strips.shape[0])
        # At first both 4s may be nothing.
        return sure(strips) * (1.0 if len(shapes) > 1 else 0.05)

    assert with_lines(two, two, PAGE, columns).odds.min() > 2
    assert shapes == [1, 2]


def test_only_so_much_of_a_page_is_read_three_times():
    places = range(100, 4000, 20)
    long, shapes = candidates(*places), []
    sure = saying("4" * len(places), *places, first=100)

    def columns(strips):
        shapes.append(strips.shape[0])
        return sure(strips) * 0.05

    with_lines(long, long, np.full((100, 4200), 240, np.uint8), columns)
    assert shapes == [1]
