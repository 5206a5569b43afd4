import itertools

import cv2
import numpy as np
import pytest

from mnistkit.errors import BlankImageError
from mnistkit.imaging import Piece, find_frames, find_lines, find_parts, join


def lines_of(ink):
    return find_lines(find_parts(ink))


def frames_of(ink):
    return find_frames(find_parts(ink))


def page(*boxes, shape=(200, 300), strength=200):
    """Rectangles of ink, each (top, bottom, left, right)."""
    ink = np.zeros(shape, np.uint8)
    for top, bottom, left, right in boxes:
        ink[top:bottom, left:right] = strength
    return ink


def box(piece):
    return piece.top, piece.bottom, piece.left, piece.right


def boxes(line):
    return [box(piece) for piece in line]


BARS = [(50, 90, 40, 50), (50, 90, 80, 90), (52, 88, 120, 130)]


def test_a_line_is_read_from_left_to_right():
    (line,) = lines_of(page(*BARS[::-1]))
    assert boxes(line) == BARS
    assert len({piece.stroke for piece in line}) == 3
    assert [(piece.width, piece.height) for piece in line] == [(10, 40), (10, 40), (10, 36)]
    assert all(piece.mask.all() and piece.mask.dtype == np.bool_ for piece in line)


def test_lines_are_read_from_top_to_bottom():
    lower = [(130, 170, 30, 40), (128, 168, 70, 80)]
    lines = lines_of(page(*lower, *BARS))
    assert [boxes(line) for line in lines] == [BARS, lower]


@pytest.mark.parametrize("slope", [-1, 1])
def test_a_line_may_rise_or_fall_across_the_page(slope):
    steps = [(100 + slope * 15 * n, 140 + slope * 15 * n, 30 + 40 * n, 40 + 40 * n) for n in range(6)]
    (line,) = lines_of(page(*steps, shape=(280, 300)))
    assert boxes(line) == steps


def test_dust_shadows_frames_and_the_edge_of_the_sheet_are_not_read():
    ink = page(*BARS, (20, 23, 200, 203), (199, 200, 0, 300))
    ink[60:80, 200:210] = 60
    assert [boxes(line) for line in lines_of(ink)] == [BARS]
    ink = page(*BARS)
    cv2.rectangle(ink, (8, 8), (291, 191), 200, 3)
    assert [boxes(line) for line in lines_of(ink)] == [BARS]


def test_a_small_mark_far_from_every_digit_belongs_to_no_line():
    assert [boxes(line) for line in lines_of(page(*BARS, (180, 188, 260, 268)))] == [BARS]


def test_the_roof_of_a_five_is_joined_with_it():
    (line,) = lines_of(page((50, 90, 40, 60), (38, 44, 44, 70)))
    assert boxes(line) == [(38, 90, 40, 70)]
    assert line[0].mask.sum() == 40 * 20 + 6 * 26


def test_a_dash_beside_a_digit_stays_a_piece_of_its_own():
    (line,) = lines_of(page(*BARS, (68, 72, 52, 64)))
    assert (68, 72, 52, 64) in boxes(line)


def circles(*centres, radius=20, thickness=6):
    ink = np.zeros((100, 300), np.uint8)
    for x in centres:
        cv2.circle(ink, (x, 50), radius, 200, thickness)
    return ink


def test_two_zeros_that_touch_are_cut_between_them():
    """Where they touch there is more ink than anywhere beside: only the notches above and below show it."""
    (line,) = lines_of(circles(60, 104))
    (seam,) = {piece.stroke for piece in line}
    assert seam
    edges = [piece.right for piece in line[:-1]]
    assert any(abs(edge - 82) <= 2 for edge in edges)
    assert np.array_equal(join(line).mask, circles(60, 104)[27:74, 37:128] > 0)


def test_digits_joined_by_a_thin_stroke_are_cut_there():
    ink = page((50, 90, 40, 60), (50, 90, 90, 110), (88, 90, 60, 90))
    (line,) = lines_of(ink)
    edges = [piece.right for piece in line[:-1]]
    assert len(line) >= 2
    assert all(60 <= edge <= 90 for edge in edges)
    assert sum(piece.mask.sum() for piece in line) == (ink > 0).sum()


def test_what_is_no_wider_than_a_digit_is_not_cut():
    (line,) = lines_of(circles(60))
    assert len(line) == 1 or all(piece.stroke == line[0].stroke for piece in line)
    (line,) = lines_of(page((50, 90, 40, 44), (50, 90, 60, 64), (86, 90, 40, 64)))
    assert boxes(line) == [(50, 90, 40, 64)]


def test_many_specks_are_a_texture_of_which_only_the_largest_are_kept():
    ink = np.zeros((400, 400), np.uint8)
    for row, column in itertools.product(range(3), repeat=2):
        ink[4 + row : -4 : 5, 4 + column : -4 : 5] = 200
    assert sum(map(len, lines_of(ink))) <= 500


@pytest.mark.parametrize("ink", [page(), page((0, 200, 0, 12)), page((0, 200, 0, 300))], ids=["nothing", "edge", "all"])
def test_a_page_without_writing_is_blank(ink):
    with pytest.raises(BlankImageError, match="the image is blank"):
        lines_of(ink)


def test_joining_keeps_every_pixel_in_its_place():
    first = Piece(10, 20, 13, 22, np.eye(2, 3, dtype=bool), 7)
    second = Piece(12, 21, 14, 24, np.ones((3, 2), bool), 8)
    both = join([first, second])
    assert (box(both), both.stroke) == ((20, 24, 10, 14), 7)
    assert both.mask.tolist() == [
        [True, False, False, False],
        [False, True, True, True],
        [False, False, True, True],
        [False, False, True, True],
    ]
    alone = join([first])
    assert box(alone) == box(first)
    assert np.array_equal(alone.mask, first.mask)


def test_lines_of_boxes_and_tables_are_told_from_what_stands_in_them():
    ink = np.zeros((200, 300), np.uint8)
    cv2.rectangle(ink, (20, 20), (100, 120), 255, 2)
    cv2.rectangle(ink, (50, 40), (70, 100), 200, 4)
    for edge in (140, 200, 260):
        ink[20:143, edge : edge + 3] = 255
    for edge in (20, 80, 140):
        ink[edge : edge + 3, 140:263] = 255
    for left, top in ((160, 35), (220, 35), (160, 95), (220, 95)):
        cv2.circle(ink, (left + 10, top + 15), 13, 200, 3)
    # A stroke that touches a rule is shorter than that.
    ink[120:141, 190:193] = 255
    lines = frames_of(ink)
    assert lines[20, 60]
    assert lines[60, 20]
    assert lines[60, 141]
    assert lines[81, 200]
    assert not lines[ink == 200].any()
    assert not lines[125:135, 191].any()
    assert len({piece.stroke for line in lines_of(ink) for piece in line}) == 5


def test_a_ring_is_no_line_and_no_piece():
    ink = np.zeros((200, 200), np.uint8)
    cv2.circle(ink, (100, 100), 80, 255, 3)
    assert not frames_of(ink).any()
    (alone,) = {piece.stroke for line in lines_of(ink) for piece in line}
    cv2.rectangle(ink, (85, 70), (115, 130), 255, cv2.FILLED)
    (inside,) = {piece.stroke for line in lines_of(ink) for piece in line}
    assert inside != alone
