import cv2
import numpy as np
import pytest

from mnistkit.imaging import LETTER, SIGNS, find_characters, frame_boxes


def seeing(*characters, side=None):
    """Maps that see characters, each a place of the page as shares of its sides, a size likewise, and what it is.

    Only a copy of the page of that longer side shows them, if one is given.
    """

    def maps(pages):
        count, height, width = pages.shape
        assert height % 32 == width % 32 == 0
        # The square page in the padded copy.
        within = {128: 112, 256: 256, 576: 560, 1216: 1200}[height]
        values = np.zeros((count, 20, height // 4, width // 4), np.float32)
        values[:, :6] = -9
        for x, y, size, kind, digit in characters:
            row, column = int(y * within // 4), int(x * within // 4)
            values[:, kind, row, column] = 2.0
            values[:, 6 + digit, row, column] = 8.0
            values[:, -2:, row, column] = np.log(size * within / 16)
        return values if side is None or max(height, width) == side else np.full_like(values, -9)

    return maps


def test_a_find_has_the_box_and_the_opinion_of_its_place():
    finds = find_characters(np.zeros((256, 256), np.uint8), seeing((0.25, 0.5, 0.2, 0, 7)))
    assert finds.boxes.shape == (1, 4)
    left, top, right, bottom = finds.boxes[0]
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((64, 128), abs=6)
    assert (right - left, bottom - top) == pytest.approx((51, 51), abs=1)
    assert (finds.scores[0].argmax(), finds.digits[0].argmax()) == (0, 7)


def test_copies_of_several_sizes_see_one_character_once():
    finds = find_characters(
        np.zeros((512, 512), np.uint8),
        seeing((0.3, 0.3, 0.2, 0, 4), (0.7, 0.7, 0.05, 2, 0), (0.3, 0.7, 0.1, LETTER, 0)),
    )
    assert len(finds) == 3
    assert sorted(finds.scores.argmax(axis=1).tolist()) == [0, SIGNS.index(".") + 1, LETTER]


def test_a_large_page_is_seen_in_a_copy_that_shows_its_small_characters():
    finds = find_characters(np.zeros((1280, 1280), np.uint8), seeing((0.5, 0.5, 0.02, 0, 3), side=1216))
    assert len(finds) == 1


@pytest.mark.parametrize(("side", "copies"), [(28, 1), (60, 1), (64, 2), (339, 2), (340, 3), (1280, 4), (4000, 4)])
def test_no_copy_is_larger_than_has_something_to_show(side, copies):
    looks = []

    def maps(pages):
        looks.append(pages.shape)
        return np.full((1, 20, pages.shape[1] // 4, pages.shape[2] // 4), -9, np.float32)

    assert len(find_characters(np.zeros((side, side), np.uint8), maps)) == 0
    assert len(looks) == copies


@pytest.mark.parametrize(
    ("height", "legible", "sides"),
    [
        (9, 2.0, [128, 256, 576, 224, 1376]),  # 22 / 9 of 560 pixels
        (15, 2.0, [128, 256, 576, 224, 832]),
        (17, 2.0, [128, 256, 576]),
        (5, 2.0, [128, 256, 576, 224, 1600]),  # no larger
        (9, -1.0, [128, 256, 576, 224, 1376]),
        (9, -2.0, [128, 256, 576, 224]),
    ],
)
def test_what_is_small_is_seen_in_one_copy_more_if_a_part_of_it_is_print_and_counts_if_it_is_legible(
    height, legible, sides
):
    looks = []

    def maps(pages):
        looks.append(pages.shape[1])
        values = np.full((1, 20, pages.shape[1] // 4, pages.shape[1] // 4), -9, np.float32)
        if len(looks) > 2:
            values[:, 0, 10, 10:100:10] = -2.0 if len(looks) == 3 else legible
            values[:, -4:-2], values[:, -2:] = 0, np.log(height / 16)
        return values

    finds = find_characters(np.zeros((900, 900), np.uint8), maps)
    assert looks == sides
    assert (finds.scores.max() > 0.5) == (len(sides) == 5 and legible > 0)


def test_boxes_end_where_the_page_ends():
    finds = find_characters(np.zeros((256, 256), np.uint8), seeing((0.02, 0.5, 0.4, 0, 3)))
    assert finds.boxes.min() == 0.0


def test_of_a_texture_only_so_much_is_seen():
    generator = np.random.default_rng(0)

    def maps(pages):
        return generator.normal(0, 1, (1, 20, pages.shape[1] // 4, pages.shape[2] // 4)).astype(np.float32)

    assert len(find_characters(np.zeros((1200, 1200), np.uint8), maps)) <= 4000


def page_with(*lines):
    page = np.full((120, 160), 220, np.uint8)
    for start, end in lines:
        cv2.line(page, start, end, 40, 5)
    return page


def test_the_ink_in_a_box_becomes_a_frame_of_mnists_kind():
    page = page_with(((60, 30), (60, 90)))
    ((frame,),) = frame_boxes(page, np.array([[55.0, 27.0, 66.0, 94.0]]))
    rows, columns = np.flatnonzero(frame.max(axis=1) > 60), np.flatnonzero(frame.max(axis=0) > 60)
    assert rows[-1] - rows[0] + 1 == 20
    assert columns[-1] - columns[0] < 6
    inverse = frame_boxes(255 - page, np.array([[55.0, 27.0, 66.0, 94.0]]))
    assert np.abs(inverse[0, 0].astype(int) - frame).max() <= 2


def test_what_stands_beside_a_box_is_not_in_its_frame():
    box = np.array([[50.0, 25.0, 72.0, 95.0]])
    alone = frame_boxes(page_with(((60, 30), (60, 90))), box)
    beside = frame_boxes(page_with(((60, 30), (60, 90)), ((80, 30), (74, 90))), box)
    assert np.abs(alone.astype(int) - beside).max() <= 40


def test_a_box_that_is_a_little_too_small_cuts_nothing_off():
    page = page_with(((60, 30), (60, 90)))
    right, small = (frame_boxes(page, np.array([box])) for box in ([55.0, 27, 66, 94], [56.0, 32, 65, 89]))
    assert np.abs(right.astype(int) - small).max() <= 40


def test_a_box_without_ink_is_black():
    page = page_with(((60, 30), (60, 90)))
    assert not frame_boxes(page, np.array([[100.0, 20, 130, 60]])).any()
    assert frame_boxes(page, np.zeros((0, 4))).shape == (0, 1, 28, 28)


def test_frames_may_have_another_size():
    assert frame_boxes(page_with(((60, 30), (60, 90))), np.array([[55.0, 27, 66, 94]]), size=(32, 32)).shape[-2:] == (
        32,
        32,
    )
