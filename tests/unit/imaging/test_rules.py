import cv2
import numpy as np
import pytest

from mnistkit.imaging import find_grid


def ruled(rows, columns, cell=40, *, tone=90, paper=235, thick=1):
    """A page with a table, 30 pixels from its edges."""
    page = np.full((60 + rows * cell, 60 + columns * cell), paper, np.uint8)
    for row in range(rows + 1):
        cv2.line(page, (30, 30 + row * cell), (30 + columns * cell, 30 + row * cell), tone, thick)
    for column in range(columns + 1):
        cv2.line(page, (30 + column * cell, 30), (30 + column * cell, 30 + rows * cell), tone, thick)
    return page


@pytest.mark.parametrize(("tone", "paper", "thick"), [(90, 235, 1), (230, 20, 1), (205, 235, 3)])
def test_all_rules_of_a_table_are_found(tone, paper, thick):
    lying, standing = find_grid(ruled(4, 6, tone=tone, paper=paper, thick=thick), 24.0)
    middles = [[round(rule.aside(100.0)) for rule in rules] for rules in (lying, standing)]
    assert np.abs(np.subtract(middles[0], range(30, 191, 40))).max() <= 1
    assert np.abs(np.subtract(middles[1], range(30, 271, 40))).max() <= 1


def test_rules_of_a_page_that_is_a_little_askew():
    page = ruled(5, 5)
    matrix = cv2.getRotationMatrix2D((130, 130), 2.0, 1.0)
    lying, standing = find_grid(cv2.warpAffine(page, matrix, page.shape, borderValue=235), 24.0)
    assert (len(lying), len(standing)) == (6, 6)
    assert lying[0].rise == pytest.approx(-standing[0].rise, abs=0.01)
    assert abs(lying[0].rise) == pytest.approx(np.tan(np.radians(2.0)), abs=0.01)


def test_rules_of_a_page_that_was_photographed_from_the_side():
    page = ruled(9, 9)
    corners = np.float32([(0, 0), (419, 0), (419, 419), (0, 419)])
    seen = np.float32([(70, 20), (360, 0), (415, 400), (5, 419)])
    page = cv2.warpPerspective(page, cv2.getPerspectiveTransform(corners, seen), (420, 420), borderValue=235)
    lying, standing = find_grid(page, 20.0)
    assert (len(lying), len(standing)) == (10, 10)
    assert standing[0].rise < -0.08 < 0.08 < standing[-1].rise


@pytest.mark.parametrize("height", [10.0, 12.0, 15.0, 18.0])
def test_thick_rules_among_thin_ones_are_found_whatever_the_digits_size(height):
    page = ruled(9, 9, 57)
    for edge in range(0, 10, 3):
        page[29 + 57 * edge : 32 + 57 * edge, 29:546] = page[29:546, 29 + 57 * edge : 32 + 57 * edge] = 20
    lying, standing = find_grid(page, height)
    assert (len(lying), len(standing)) == (10, 10)


def test_lines_under_text_and_a_frame_are_no_table():
    page = np.full((260, 260), 235, np.uint8)
    for row in range(1, 6):
        page[40 * row, 20:240] = 90
    assert find_grid(page, 24.0) is None
    cv2.rectangle(page, (10, 10), (250, 250), 90, 1)
    assert find_grid(page, 24.0) is None


def test_a_line_beside_a_table_is_not_its_own():
    page = ruled(3, 3)
    page = np.vstack([page, np.full((60, page.shape[1]), 235, np.uint8)])
    page[215, 20:160] = 60
    lying, standing = find_grid(page, 24.0)
    assert (len(lying), len(standing)) == (4, 4)
