"""Pictures as people make them: each disturbance is put on a clean drawing, whose frame it must not change much."""

import cv2
import numpy as np
import pytest

from mnistkit.errors import BlankImageError
from mnistkit.imaging import find_digit, find_ink, frame_image

# A seven with a bar: one long stroke, and one across it.
STROKES = [[(90, 60), (210, 52), (140, 240)], [(120, 150), (200, 146)]]


def drawing(width=14, side=300, ink=40, paper=225):
    picture = np.full((side, side), paper, np.uint8)
    for stroke in STROKES:
        points = (np.array(stroke) * side / 300).astype(np.int32)
        cv2.polylines(picture, [points], False, ink, max(1, round(width * side / 300)), cv2.LINE_AA)
    return picture


def likeness(one, other):
    """The correlation of two frames."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.fixture(scope="module")
def expected():
    return frame_image(drawing())


def gradient(picture):
    light = np.linspace(0.35, 1.0, picture.shape[1])[None, :] * np.linspace(0.7, 1.0, picture.shape[0])[:, None]
    return (picture * light).astype(np.uint8)


def shadow(picture):
    edge = cv2.GaussianBlur(np.where(np.arange(300)[None, :] + np.arange(300)[:, None] > 330, 0.6, 1.0), (0, 0), 6)
    return (picture * edge).astype(np.uint8)


def noise(picture):
    return np.clip(picture + np.random.default_rng(0).normal(0, 9, picture.shape), 0, 255).astype(np.uint8)


def dust(picture):
    spotted = picture.copy()
    for x, y in np.random.default_rng(1).integers(10, 290, (12, 2)):
        cv2.circle(spotted, (int(x), int(y)), 1, 60, -1)
    return spotted


def frame(picture):
    framed = picture.copy()
    cv2.rectangle(framed, (12, 12), (287, 287), 30, 3)
    return framed


def dark_edge(picture):
    dark = picture.copy()
    dark[:, :14] = 25
    dark[290:] = 25
    return dark


def pale(picture):
    return (225 - (225 - picture.astype(np.float32)) * 0.25).astype(np.uint8)


def neighbour(picture):
    beside = picture.copy()
    cv2.line(beside, (292, 120), (299, 200), 40, 12)
    return beside


def jpeg(picture):
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)


def inverted(picture):
    return 255 - picture


@pytest.mark.parametrize(
    ("disturb", "least"),
    [
        (gradient, 0.97),
        # Along a sharp edge of light some of the paper is neither in light nor in shadow.
        (shadow, 0.9),
        (noise, 0.94),
        (dust, 0.97),
        (frame, 0.97),
        (dark_edge, 0.97),
        (pale, 0.97),
        (neighbour, 0.97),
        (jpeg, 0.97),
        (inverted, 0.97),
    ],
)
def test_a_disturbance_hardly_changes_the_frame(disturb, least, expected):
    assert likeness(frame_image(disturb(drawing())), expected) > least


@pytest.mark.parametrize("width", [3, 5, 9, 14, 24, 40])
def test_any_pen_gives_strokes_of_mnists_width(width, expected):
    framed = frame_image(drawing(width))[0]
    assert likeness(framed, expected) > 0.75
    assert framed.max() == 255
    # MNIST's digits cover 10 to 30 % of their frame's 20x20 box.
    assert 0.1 < framed.sum() / 255 / 400 < 0.45


def test_a_hairline_on_a_huge_canvas_is_seen():
    picture = np.full((3000, 3000), 255, np.uint8)
    for stroke in STROKES:
        cv2.polylines(picture, [np.array(stroke, np.int32) * 10], False, 0, 2, cv2.LINE_AA)
    assert likeness(frame_image(picture), frame_image(drawing())) > 0.75


def test_ink_is_seen_by_its_colour_alone(expected):
    mask = drawing(ink=0, paper=255) < 128
    picture = np.empty((300, 300, 3), np.uint8)
    # The same luminance: 0.299 * 200 + 0.587 * 60 is about 0.299 * 30 + 0.587 * 147.
    picture[:] = (30, 147, 60)
    picture[mask] = (200, 60, 60)
    assert likeness(frame_image(picture), expected) > 0.95


def test_a_broken_stroke_stays_one_digit(expected):
    broken = drawing()
    cv2.line(broken, (150, 100), (230, 130), 225, 14)
    assert likeness(frame_image(broken), expected) > 0.85


def test_a_digit_that_touches_the_border_is_kept():
    cut = drawing()[45:245, 85:215]
    assert likeness(frame_image(cut), frame_image(drawing())) > 0.9


def test_only_the_digit_is_found():
    picture = dust(frame(drawing()))
    digit = find_digit(find_ink(picture))
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    assert 40 < rows[0] < 60
    assert 235 < rows[-1] < 255
    assert 80 < columns[0] < 95
    assert 200 < columns[-1] < 225


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_paper_without_ink_is_blank(grey):
    with pytest.raises(BlankImageError, match="the image is blank: its strongest contrast is 0 of 255, at least 16"):
        frame_image(np.full((300, 300), grey, np.uint8))


def test_a_light_gradient_alone_is_blank():
    with pytest.raises(BlankImageError, match="blank"):
        frame_image(np.tile(np.linspace(60, 230, 300).astype(np.uint8), (300, 1)))
